"""Calls and effects, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from controller.serving.coalescing import Coalescing


@dataclass
class Bench:
    now: float = 100.0
    takes: float = 0.0
    """Seconds that an effect lasts."""
    during: Callable[[], None] = lambda: None
    effects: list[tuple[float, str, int]] = field(default_factory=list)
    alarms: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def coalescing(self) -> Coalescing[str, int]:
        return Coalescing(self._effect, interval=1.0, clock=lambda: self.now, later=self._later)

    def _effect(self, key: str, value: int) -> None:
        self.effects.append((self.now, key, value))
        self.during()
        self.now += self.takes

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self.alarms.append((self.now + seconds, call))
        self.alarms.sort(key=lambda alarm: alarm[0])

    def until(self, time: float) -> None:
        while self.alarms and self.alarms[0][0] <= time:
            due, call = self.alarms.pop(0)
            self.now = max(self.now, due)
            call()
        self.now = max(self.now, time)


def test_the_first_call_takes_effect_at_once() -> None:
    bench = Bench()
    bench.coalescing()("shop", 1)
    assert bench.effects == []  # the caller does not wait for it
    bench.until(100.0)
    assert bench.effects == [(100.0, "shop", 1)]


def test_of_a_flood_the_last_call_takes_effect_when_the_pause_is_over() -> None:
    bench = Bench()
    push = bench.coalescing()
    push("shop", 0)
    bench.until(100.0)
    for value in range(1, 1000):
        push("shop", value)
    assert len(bench.alarms) == 1
    bench.until(103.0)
    assert bench.effects == [(100.0, "shop", 0), (101.0, "shop", 999)]


def test_a_steady_flood_takes_effect_once_a_pause() -> None:
    bench = Bench()
    push = bench.coalescing()
    for tick in range(50):
        push("shop", tick)
        bench.until(100.0 + tick / 10)
    bench.until(110.0)
    assert [time for time, _, _ in bench.effects] == [100.0, 101.0, 102.0, 103.0, 104.0, 105.0]
    assert bench.effects[-1] == (105.0, "shop", 49)


def test_while_an_effect_lasts_no_second_one_begins() -> None:
    bench = Bench(takes=30.0)
    push = bench.coalescing()

    def again(value: int) -> None:
        bench.during = lambda: None
        push("shop", value)
        assert bench.alarms == []

    bench.during = lambda: again(2)
    push("shop", 1)
    bench.until(200.0)
    assert bench.effects == [(100.0, "shop", 1), (130.0, "shop", 2)]


def test_an_effect_that_fails_keeps_no_later_one_away() -> None:
    alarms: list[Callable[[], None]] = []
    effects: list[int] = []

    def forward(key: str, value: int) -> None:
        effects.append(value)
        if value == 1:
            raise ConnectionError("the API server is away")

    push = Coalescing(forward, interval=1.0, later=lambda seconds, call: alarms.append(call))
    push("shop", 1)
    with pytest.raises(ConnectionError):
        alarms.pop()()
    push("shop", 2)
    alarms.pop()()
    assert effects == [1, 2]


def test_a_call_after_the_pause_takes_effect_at_once() -> None:
    bench = Bench()
    push = bench.coalescing()
    push("shop", 1)
    bench.until(101.5)
    push("shop", 2)
    bench.until(101.5)
    assert bench.effects == [(100.0, "shop", 1), (101.5, "shop", 2)]


def test_keys_do_not_delay_one_another() -> None:
    bench = Bench()
    push = bench.coalescing()
    push("shop", 1)
    push("bank", 2)
    bench.until(100.0)
    assert bench.effects == [(100.0, "shop", 1), (100.0, "bank", 2)]
