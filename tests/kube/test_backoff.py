"""Waiting longer after each failure, never in step with others."""

from __future__ import annotations

import random

from kube.backoff import Backoff


class Longest(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_each_failure_doubles_the_longest_wait_up_to_a_bound() -> None:
    backoff = Backoff(first=1, longest=10, random=Longest())
    assert [backoff.failed() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_a_success_begins_anew() -> None:
    backoff = Backoff(first=1, longest=10, random=Longest())
    backoff.failed()
    backoff.failed()
    backoff.succeeded()
    assert backoff.failed() == 1


def test_the_wait_is_anywhere_up_to_the_bound() -> None:
    backoff = Backoff(first=1, longest=1, random=random.Random(1))
    waits = [backoff.failed() for _ in range(1000)]
    assert min(waits) < 0.05
    assert max(waits) > 0.95


def test_what_the_server_asks_for_is_waited_and_more() -> None:
    assert Backoff(first=1, random=Longest()).failed(retry_after=5) == 6


def test_an_absurd_wish_is_not_fulfilled() -> None:
    assert Backoff(first=1, random=Longest()).failed(retry_after=1e9) == 301


def test_thousands_of_failures_are_no_larger_number_than_some() -> None:
    backoff = Backoff(random=Longest(), failures=100_000)
    assert backoff.failed() == 30
