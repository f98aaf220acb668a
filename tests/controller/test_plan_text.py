"""The law: what is put together from remembered pieces is what the codec writes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from compiler import codec
from compiler.allocations import Allocations
from compiler.change import change_between
from compiler.compilation import compile, recompile
from compiler.inventory import Inventory
from compiler.model import Declarations
from compiler.names import NetworkNumber, NodeName
from compiler.plan import NodePlan, PodBinding
from controller.plan_text import PlanTexts, digests_of
from tests.compiler import clusters
from tests.compiler.sample_plans import named, node_plan

POD = PodBinding(name=named("team-a/web-0"), uid="1b4e28ba", network=NetworkNumber(1))
LOST = PodBinding(
    name=named("team-a/lost"), uid="2fa1", network=None, refusal='No network "read",\n  {\n ] "pods": [].'
)
PLAN = node_plan(pods=(POD, LOST))


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, pods=(LOST,), networks=()),
        replace(PLAN, remotes=(), networks=(), services=(), isolated=(), pods=()),
        replace(PLAN, pods=(POD, POD, LOST, POD)),
    ],
    ids=["every list", "an empty list among others", "nothing in any list", "one value several times"],
)
def test_a_plan_has_the_bytes_of_the_codec(plan: NodePlan) -> None:
    texts = PlanTexts()
    assert texts.encode(plan) == codec.encode_plan(plan)
    assert texts.encode(plan) == codec.encode_plan(plan)


def test_a_list_of_known_and_new_values_keeps_its_order() -> None:
    texts = PlanTexts()
    texts.encode(replace(PLAN, pods=(LOST,)))
    between = replace(PLAN, pods=(POD, LOST, replace(POD, uid="3")))
    assert texts.encode(between) == codec.encode_plan(between)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(clusters.declarations(), clusters.inventories(), clusters.inventories())
def test_plans_before_and_after_a_change_have_the_bytes_of_the_codec(
    declarations: Declarations, before: Inventory, after: Inventory
) -> None:
    texts = PlanTexts(spare=0)
    compilation = compile(declarations, before, Allocations())
    changed = recompile(compilation, change_between(before, after))
    for plans in (compilation.plans, changed.plans, compilation.plans):
        for plan in plans.values():
            assert texts.encode(plan) == codec.encode_plan(plan)
        texts.forget(plans.values())


def test_what_is_remembered_for_nothing_is_bounded() -> None:
    texts = PlanTexts(spare=1000)
    lengths = []
    for uid in range(200):
        plan = replace(PLAN, pods=(replace(POD, uid=str(uid)),))
        texts.encode(plan)
        texts.forget((plan,))
        lengths.append(sum(map(len, texts._texts.values())))
    assert max(lengths) < 3 * len(codec.encode_plan(PLAN)) + 1000


def test_a_plan_that_is_the_same_value_keeps_its_digest() -> None:
    node = NodeName("node-a")
    digests = digests_of({node: PLAN}, {node: PLAN}, {node: "sha256:known"})
    assert digests == {node: "sha256:known"}


def test_another_plan_is_digested_as_the_codec_does() -> None:
    node = NodeName("node-a")
    digests = digests_of({node: PLAN}, {node: replace(PLAN, pods=())}, {node: "sha256:known"})
    assert digests == {node: codec.digest(PLAN)}
