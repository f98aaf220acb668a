"""The kernel's links, routes and rules as the agent sees them: read as a Layout, changed by Actions.

`agent.links` is the real one, `agent.fake_kernel` simulates it; tests/contracts holds them equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.actions import Action
from compiler.layout import Layout, Link
from compiler.model import Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What the kernel holds of ours, and what of others' bears on changing it."""

    layout: Layout
    down: frozenset[str] = frozenset()
    """Links of ours that are not up; their routes are lost."""
    foreign_groups: frozenset[int] = frozenset()
    """Groups in our range that also hold links of others: never removed as a whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PodEnd:
    """The interface inside a pod: addresses, default routes and gateway follow from these."""

    netns: str
    """Path of the pod's network namespace."""
    interface: str
    mac: str
    mtu: int
    addresses: tuple[Address, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One action that the kernel refused, in its own words."""

    action: str
    reason: str

    def __str__(self) -> str:
        return f"{self.action}: {self.reason}"


class KernelRefused(Exception):
    """Some actions failed; the others ran. The text names each object that failed."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        self.failures = tuple(failures)
        super().__init__("; ".join(str(failure) for failure in self.failures))


class Kernel(Protocol):
    """One network namespace. Thread-safe, as long as each link is one caller's at a time."""

    def observe(self) -> Observation: ...

    def apply(self, actions: Sequence[Action]) -> None:
        """Run all actions in order. Raises KernelRefused after the last, naming those that failed."""

    def plug(self, port: Link, end: PodEnd) -> None:
        """Make a pod's veth pair, its end inside the pod complete, the port bare: `SetLink` brings it up.

        A port of the same name is replaced. Raises KernelRefused and leaves nothing behind.
        """

    def pod_problem(self, end: PodEnd) -> str | None:
        """What is wrong with a pod's end, or None."""

    def has_namespace(self, path: str) -> bool:
        """Whether a network namespace is still there."""
