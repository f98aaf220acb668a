"""Whether a change keeps the policy before it.

The policy of the earlier commit judges, else a change could relax what holds it back. A network is guarded
by its labels before the change as well as after it, and to take it out of a guard is itself refused. Where
the earlier commit cannot be understood, nobody knows what guards held back: each counts as broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from compiler.catalogue import found
from compiler.model import Declarations, VirtualNetwork
from compiler.names import ObjectName
from compiler.problem import Code, Origin, Problem
from compiler.reachability import Pair, ReachabilityChange
from review.policy import Approvers, Guard, Policy
from review.policy_deeds import Deed, deeds
from review.policy_text import PolicyReading

NAMED = 5
"""Of many deeds in one sentence, this many are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """Something that a guard refuses, and the change does."""

    what: str
    """A sentence without its full stop: `team-a/red may newly talk to team-b/blue`."""
    origins: tuple[Origin, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Breach:
    """A guard that the change breaks, approved or not."""

    guard: str
    """"" for the policy itself."""
    reason: str
    origin: Origin
    """Of the guard, in the policy before the change."""
    acts: tuple[Act, ...]
    approvers: tuple[str, ...]
    """Who may approve; empty: nobody."""
    needed: int
    approved_by: tuple[str, ...]

    @property
    def approved(self) -> bool:
        return len(self.approved_by) >= self.needed

    @property
    def code(self) -> Code:
        return Code("ATL611" if self.guard else "ATL612")

    @property
    def subject(self) -> str:
        return f"guard {self.guard}" if self.guard else "ReviewPolicy"

    @property
    def ways_out(self) -> str:
        """What is still missing, as a sentence without its full stop."""
        if not self.approvers:
            return "Leave it out: the policy names nobody who may approve it"
        missing = self.needed - len(self.approved_by)
        others = [name for name in self.approvers if name not in self.approved_by]
        approvals = "1 approval" if missing == 1 else f"{missing} approvals"
        more = " more" if self.approved_by else ""
        return f"It needs {approvals}{more} of {', '.join(others)}, or leave it out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What the policy before a change says of it."""

    policy: Policy | None
    """None where the earlier commit has none, or none that can be read."""
    breaches: tuple[Breach, ...] = ()
    """The policy's own change first, then guards in the order of the file."""
    problems: tuple[Problem, ...] = ()
    """Why a policy cannot be read, in either commit."""
    introduced: bool = False
    """The change brings the first policy."""

    @property
    def unapproved(self) -> tuple[Breach, ...]:
        return tuple(breach for breach in self.breaches if not breach.approved)

    @property
    def kept(self) -> bool:
        """Whether the change may pass, as far as the policy goes."""
        return not self.problems and not self.unapproved


def judge(
    before: tuple[Declarations | None, PolicyReading],
    after: tuple[Declarations, PolicyReading],
    change: ReachabilityChange,
    *,
    approved_by: Iterable[str] = (),
    uncertain: Iterable[Pair] = (),
) -> Judgement:
    """`change` is between the two; `approved_by` are user names, the author's not among them.

    `uncertain` is for a change that was computed without an inventory (`review.policy_unknown`).
    """
    (old, was), (new, is_now) = before, after
    errors = (*(was.problems if was.broken else ()), *(is_now.problems if is_now.broken else ()))
    if was.policy is None:
        introduced = not was.content and is_now.policy is not None
        return Judgement(policy=None, problems=errors, introduced=introduced)
    names = frozenset(name.lower() for name in approved_by)
    breaches = list(_changed_policy(was, is_now, names))
    if old is None:
        breaches += _unknown(was.policy, names)
    elif was.policy.guards:
        done = tuple(deeds(old, new, change, uncertain))
        breaches += _guards(was.policy, old, new, done, names)
    return Judgement(policy=was.policy, breaches=tuple(breaches), problems=errors)


def _changed_policy(was: PolicyReading, is_now: PolicyReading, names: frozenset[str]) -> Iterator[Breach]:
    policy = was.policy
    if policy is None or was.content == is_now.content:
        return
    verb = "altered" if is_now.content else "removed"
    origin = is_now.policy.origin if is_now.policy else policy.origin
    act = Act(what=f"the policy that judges this change is {verb} by it", origins=(origin,))
    yield _breach("", "", policy.origin, (act,), policy.changes, names)


def _unknown(policy: Policy, names: frozenset[str]) -> Iterator[Breach]:
    for guard in policy.guards:
        act = Act(
            what="what it guarded before cannot be read, so nobody knows what changes",
            origins=(guard.origin,),
        )
        yield _breach(guard.name, guard.reason, guard.origin, (act,), guard.approvers, names)


def _guards(
    policy: Policy,
    old: Declarations,
    new: Declarations,
    done: tuple[Deed, ...],
    names: frozenset[str],
) -> Iterator[Breach]:
    was = {network.name: network for network in old.networks}
    is_now = {network.name: network for network in new.networks}
    for guard in policy.guards:
        acts = tuple(_acts(guard, done, was, is_now))
        if acts:
            yield _breach(guard.name, guard.reason, guard.origin, acts, guard.approvers, names)


def _acts(
    guard: Guard,
    done: Iterable[Deed],
    was: dict[ObjectName, VirtualNetwork],
    is_now: dict[ObjectName, VirtualNetwork],
) -> Iterator[Act]:
    before = {name for name, network in was.items() if guard.covers(network)}
    after = {name for name, network in is_now.items() if guard.covers(network)}
    for name in sorted((before - after) & is_now.keys()):
        what = f"{name} is taken out of the guard"
        yield Act(what=what, origins=(is_now[name].origin,))
    for deed in done:
        if deed.kind in guard.refuses and (deed.network in before or deed.network in after):
            yield Act(what=f"{deed.network} {deed.what}", origins=deed.origins)


def _breach(
    guard: str,
    reason: str,
    origin: Origin,
    acts: tuple[Act, ...],
    approvers: Approvers,
    names: frozenset[str],
) -> Breach:
    return Breach(
        guard=guard,
        reason=reason,
        origin=origin,
        acts=acts,
        approvers=tuple(sorted(approvers.people)),
        needed=approvers.needed,
        approved_by=approvers.given(names),
    )


def breach_problem(breach: Breach) -> Problem:
    """The breach as errors are told: at the place of its first cause, with the way out."""
    first = breach.acts[0]
    more = len(breach.acts) - NAMED
    said = "; ".join(act.what for act in breach.acts[:NAMED]) + (f"; and {more} more" if more > 0 else "")
    why = f" ({breach.reason})" if breach.reason else ""
    return found(
        breach.code,
        origin=first.origins[0] if first.origins else breach.origin,
        subject=f"{breach.subject} at {breach.origin.place}",
        reason=f"{said}{why}",
        remedy=breach.ways_out,
    )
