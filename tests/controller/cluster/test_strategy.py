"""What a NetworkSource's `spec.rollout` asks for."""

from __future__ import annotations

import pytest

from controller.cluster.source_spec import Canary, Expression, Rollout, Selector
from controller.cluster.strategy import strategy_of
from controller.rollout import Strategy


def test_without_a_word_about_it_a_canary_a_quarter_and_two_minutes() -> None:
    expected = Strategy(canary_count=1, canary_selector=None, share=0.25, ready_timeout=120.0)
    assert strategy_of(None) == expected
    assert strategy_of(Rollout()) == expected


def test_a_share_is_a_percentage_or_a_number_of_nodes() -> None:
    assert strategy_of(Rollout(share="40%")).share == 0.4
    assert strategy_of(Rollout(share=3)).share == 3


def test_the_time_of_a_wave() -> None:
    assert strategy_of(Rollout(ready_timeout="1m30s")).ready_timeout == 90.0


LABELS = {"pool": "canary", "zone": "a"}


@pytest.mark.parametrize(
    ("operator", "key", "values", "matches"),
    [
        ("In", "zone", ("a", "b"), True),
        ("In", "zone", ("b",), False),
        ("In", "rack", ("a",), False),
        ("NotIn", "zone", ("b",), True),
        ("NotIn", "zone", ("a",), False),
        ("NotIn", "rack", ("a",), True),
        ("Exists", "pool", (), True),
        ("Exists", "rack", (), False),
        ("DoesNotExist", "rack", (), True),
        ("DoesNotExist", "pool", (), False),
    ],
)
def test_canaries_are_selected_as_kubernetes_selects(
    operator: str, key: str, values: tuple[str, ...], matches: bool
) -> None:
    expression = Expression(key=key, operator=operator, values=values)
    canary = Canary(node_selector=Selector(match_expressions=(expression,)))
    selector = strategy_of(Rollout(canary=canary)).canary_selector
    assert selector
    assert selector.matches(LABELS) is matches


def test_labels_and_expressions_all_have_to_match() -> None:
    expression = Expression(key="zone", operator="In", values=("a",))
    selector = Selector(match_labels={"pool": "canary"}, match_expressions=(expression,))
    found = strategy_of(Rollout(canary=Canary(count=2, node_selector=selector)))
    assert found.canary_count == 2
    assert found.canary_selector
    assert found.canary_selector.matches(LABELS)
    assert not found.canary_selector.matches({"zone": "a"})


@pytest.mark.parametrize("share", ["much", "40", "nan%", "inf%", "%"])
def test_a_share_that_is_none_is_refused(share: str) -> None:
    with pytest.raises(ValueError, match=r"share|could not convert|neither"):
        strategy_of(Rollout(share=share))


def test_a_duration_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        strategy_of(Rollout(ready_timeout="1.5h"))


def test_an_operator_that_is_none_is_refused() -> None:
    expression = Expression(key="zone", operator="Near", values=("a",))
    with pytest.raises(ValueError, match="Near"):
        strategy_of(Rollout(canary=Canary(node_selector=Selector(match_expressions=(expression,)))))
