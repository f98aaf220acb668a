"""What a change may not do without approval, as the repository itself says it.

A policy names its people: who approves what is decided from the policy, the two commits and a list of
names, with no platform asked. Where the names come from is the caller's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from compiler.model import LabelSelector, VirtualNetwork
from compiler.problem import Origin


class Guarded(StrEnum):
    """What a guard can refuse, as policies write it."""

    NEW_PEERS = "newPeers"
    LOST_PEERS = "lostPeers"
    EGRESS = "egress"
    INFRASTRUCTURE = "infrastructure"
    NAMESPACES = "namespaces"
    REMOVAL = "removal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Approvers:
    """So many different ones of these people."""

    people: frozenset[str] = frozenset()
    """User names in lower case, teams resolved. Empty: nobody can approve."""
    needed: int = 1

    def given(self, approved_by: frozenset[str]) -> tuple[str, ...]:
        """Those of them who have approved, by name."""
        return tuple(sorted(self.people & approved_by))


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    name: str
    reason: str
    networks: LabelSelector
    """The empty selector: all networks."""
    namespaces: frozenset[str]
    """Empty: of all namespaces."""
    refuses: frozenset[Guarded]
    approvers: Approvers
    origin: Origin

    def covers(self, network: VirtualNetwork) -> bool:
        if self.namespaces and network.name.namespace not in self.namespaces:
            return False
        return self.networks.matches(network.labels)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    guards: tuple[Guard, ...]
    """In the order of the file."""
    changes: Approvers
    """Of the policy itself."""
    origin: Origin
