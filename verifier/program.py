"""A ruleset made ready to run on one node: chains by hook in the kernel's order, rules as operations.

Order within a hook: by priority, and all nat chains together at the place of nat, whatever their own
priorities (nf_nat_inet_fn); connection tracking has its place before them. Of two chains with one
priority the one that was added later comes first (nf_hook_entries_grow).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from verifier.effects import Effect, NatEffect, NotrackEffect, effect_of
from verifier.element_index import Indexes
from verifier.fault import Contradiction, NotModelled
from verifier.matching import FAMILIES, Key, Keys, KeyTest, Test, test_of
from verifier.ruleset import (
    Accept,
    Chain,
    ChainType,
    Continue,
    Counter,
    Drop,
    Field,
    Goto,
    Hook,
    Jump,
    Match,
    Nat,
    NatKind,
    Notrack,
    Reject,
    Return,
    Rule,
    Ruleset,
    SetMark,
    SetZone,
    Statement,
    Verdict,
    VerdictMap,
)
from verifier.scene import Scene
from verifier.state import Link

TRACKING_PRIORITY: Final = -200
NAT_PRIORITIES: Final[Mapping[Hook, int]] = {
    Hook.PREROUTING: -100,
    Hook.INPUT: 100,
    Hook.OUTPUT: -100,
    Hook.POSTROUTING: 100,
}
_TRACKED_HOOKS: Final = (Hook.PREROUTING, Hook.OUTPUT)
_DESTINATION_HOOKS: Final = (Hook.PREROUTING, Hook.OUTPUT)
VERDICTS: Final = (Accept, Drop, Return, Continue, Goto, Jump, Reject)


@dataclass(slots=True)
class Branching:
    """`vmap`."""

    key: Key


Operation = Test | Effect | Branching | Verdict


@dataclass(slots=True)
class ReadyRule:
    rule: Rule
    chain: str
    operations: tuple[tuple[str, Operation], ...]
    """Each with its sort: `test`, `effect`, `nat`, `branch` or `verdict`."""
    families: frozenset[int]


@dataclass(slots=True)
class Stage:
    """One thing that a hook does: run filter chains, run nat chains, or begin tracking."""

    chains: tuple[Chain, ...]
    nat: bool = False
    begins_tracking: bool = False


class Program:
    """Chains become ready when a packet first reaches them."""

    def __init__(self, ruleset: Ruleset, indexes: Indexes) -> None:
        self._ruleset = ruleset
        self.keys = Keys(ruleset.sets, indexes)
        self._ready: dict[str, tuple[ReadyRule, ...]] = {}
        self._active: dict[tuple[object, ...], tuple[ReadyRule, ...]] = {}
        self._borders, self._names = _told_apart(ruleset)
        self.stages: Mapping[Hook, tuple[Stage, ...]] = {hook: self._stages(hook) for hook in Hook}

    def _stages(self, hook: Hook) -> tuple[Stage, ...]:
        based = [chain for chain in self._ruleset.chains.values() if chain.hook is hook]
        based.reverse()
        based.sort(key=lambda chain: chain.priority)
        placed: list[tuple[int, int, Stage]] = [
            (chain.priority, 1, Stage((chain,))) for chain in based if chain.type is not ChainType.NAT
        ]
        translating = tuple(chain for chain in based if chain.type is ChainType.NAT)
        if translating and hook not in NAT_PRIORITIES:
            raise Contradiction(f"chain {translating[0].name}: nat chains have no place in {hook}")
        if hook in NAT_PRIORITIES:  # also without a chain of ours: kube-proxy's make the kernel translate
            placed.append((NAT_PRIORITIES[hook], 2, Stage(translating, nat=True)))
        if hook in _TRACKED_HOOKS:
            placed.append((TRACKING_PRIORITY, 0, Stage((), begins_tracking=True)))
        placed.sort(key=lambda entry: entry[:2])
        return tuple(stage for _, _, stage in placed)

    def rules(self, name: str) -> tuple[ReadyRule, ...]:
        if name not in self._ready:
            chain = self._ruleset.chains.get(name)
            if chain is None:
                raise Contradiction(f"there is no chain {name}; a kernel refuses a rule that leads there")
            self._ready[name] = tuple(self._rule(chain, rule) for rule in chain.rules)
        return self._ready[name]

    def active(self, name: str, scene: Scene) -> tuple[ReadyRule, ...]:
        """The rules of a chain that this place's devices do not rule out, without what asked for devices.

        Once for all groups between the same borders: literal groups are ranges of networks.
        """
        key = (name, scene.family, self._sort(scene.iif), self._sort(scene.oif))
        if key not in self._active:
            found = (_left_of(rule, scene) for rule in self.rules(name))
            self._active[key] = tuple(rule for rule in found if rule is not None)
        return self._active[key]

    def _sort(self, device: Link | None) -> tuple[object, ...] | None:
        if device is None:
            return None
        return bisect_right(self._borders, device.group), device.kind, device.name if self._names else ""

    def _rule(self, chain: Chain, rule: Rule) -> ReadyRule:
        where = f"chain {chain.name}, `{rule.text}`"
        families = {4, 6}
        operations: list[tuple[str, Operation]] = []
        for statement in rule.statements:
            if isinstance(statement, Match | VerdictMap) and all(sort == "test" for sort, _ in operations):
                families &= {FAMILIES[f] for f in statement.fields if f in FAMILIES} or {4, 6}
            if not isinstance(statement, Counter):
                operations.append(self._operation(chain, statement, where))
        return ReadyRule(rule, chain.name, tuple(_cheapest_first(operations)), frozenset(families))

    def _operation(self, chain: Chain, statement: Statement, where: str) -> tuple[str, Operation]:
        match statement:
            case Match():
                return "test", test_of(statement, self.keys, where)
            case VerdictMap(fields=fields, map=lookup):
                return "branch", Branching(self.keys.of(fields, lookup, where))
            case Nat():
                return "nat", self._nat(chain, statement, where)
            case SetMark() | SetZone():
                return "effect", effect_of(statement, self.keys, where)
            case Notrack():
                return "effect", NotrackEffect()
            case Accept() | Drop() | Return() | Continue() | Goto() | Jump() | Reject():
                return "verdict", statement
        raise NotModelled(f"{where}: {statement} is not modelled")

    def _nat(self, chain: Chain, nat: Nat, where: str) -> NatEffect:
        if chain.hook is not None:
            fits = (chain.hook in _DESTINATION_HOOKS) == (nat.kind is NatKind.DNAT)
            if chain.type is not ChainType.NAT or not fits:
                raise Contradiction(
                    f"{where}: a kernel refuses {nat.kind} in a {chain.type} chain of {chain.hook}"
                )
        effect = effect_of(nat, self.keys, where)
        assert isinstance(effect, NatEffect)
        return effect


def _cheapest_first(operations: list[tuple[str, Operation]]) -> list[tuple[str, Operation]]:
    """Tests before anything is done may come in any order: those that ask the device alone, then sets."""
    tests = 0
    while tests < len(operations) and operations[tests][0] == "test":
        tests += 1
    return sorted(operations[:tests], key=_cost) + operations[tests:]


def _cost(operation: tuple[str, Operation]) -> int:
    test = operation[1]
    if isinstance(test, KeyTest):
        return 1 if test.key.columns else 0
    return 2


def _left_of(rule: ReadyRule, scene: Scene) -> ReadyRule | None:
    if scene.family not in rule.families:
        return None
    operations = rule.operations
    while operations and _is_of_device(operations[0]):
        test = cast(KeyTest, operations[0][1])
        if not test.of_device(scene):
            return None
        operations = operations[1:]
    return ReadyRule(rule.rule, rule.chain, operations, rule.families)


def _is_of_device(operation: tuple[str, Operation]) -> bool:
    test = operation[1]
    return isinstance(test, KeyTest) and test.key.name is None and not test.key.columns


def _told_apart(ruleset: Ruleset) -> tuple[list[int], bool]:
    """The borders between groups that literals tell apart, and whether any asks for a device's name."""
    borders: set[int] = set()
    names = False
    for statement in (
        s for chain in ruleset.chains.values() for rule in chain.rules for s in rule.statements
    ):
        if not isinstance(statement, Match) or isinstance(statement.values, str):
            continue
        rows = statement.values
        keys = [(cell,) for cell in rows] if isinstance(rows, tuple) else [e.key for e in rows.elements]
        for key in keys:
            for asked, cell in zip(statement.fields, key, strict=False):
                names |= asked in (Field.IIFNAME, Field.OIFNAME)
                if asked in (Field.IIFGROUP, Field.OIFGROUP) and not isinstance(cell, str):
                    borders |= {cell[0], cell[1] + 1}
    return sorted(borders), names
