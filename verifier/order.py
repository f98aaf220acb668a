"""Where chains stand among everyone else's, and what single rules must say: what no packet alone can show.

Evaluation knows our table only. Beside it are conntrack, kube-proxy, whoever exempts packets in `raw`:
whether a chain comes before them is a matter of its hook and priority (netfilter_ipv4.h).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from compiler.names import NodeName
from verifier.ruleset import (
    Chain,
    ChainType,
    Drop,
    Field,
    Goto,
    HashChoice,
    Hook,
    Jump,
    Match,
    NamedSet,
    Nat,
    NatKind,
    Notrack,
    RandomChoice,
    Reject,
    Rule,
    Ruleset,
    SetMark,
    SetZone,
    VerdictMap,
)
from verifier.violation import Kind, Violation

RAW: Final = -300
CONNTRACK: Final = -200
DESTINATION_NAT: Final = -100
SOURCE_NAT: Final = 100
NETWORKS: Final = (1, 65534)
"""The interface groups of networks."""
_DEPTH: Final = 16

_CLIENT: Final = frozenset({Field.IP_SADDR, Field.IP6_SADDR})
_LEAVING: Final = frozenset({Field.OIFGROUP, Field.OIFNAME})


def check_order(node: NodeName, ruleset: Ruleset, vxlan_port: int) -> Iterator[Violation]:
    for base in ruleset.chains.values():
        if base.hook is None:
            continue
        if base.type is ChainType.FILTER and isinstance(base.policy, Drop):
            yield _wrong(node, Kind.ORDER, base, "drops whatever no rule of ours is about")
        for rule in _rules_under(ruleset, base):
            yield from _place(node, base, rule)
    for chain in ruleset.chains.values():
        for rule in chain.rules:
            yield from _leaving(node, chain, rule, ruleset)
    yield from _marks(node, ruleset)
    yield from _tracking(node, ruleset, vxlan_port)
    yield from _settled(node, ruleset)


def _wrong(node: NodeName, kind: Kind, chain: Chain, sentence: str, rule: Rule | None = None) -> Violation:
    at = f" at priority {chain.priority} of {chain.hook}" if chain.hook else ""
    return Violation(
        kind=kind, node=node, sentence=f"chain {chain.name}{at} {sentence}", found=rule.text if rule else ""
    )


def _rules_under(ruleset: Ruleset, base: Chain) -> Iterator[Rule]:
    """Those of the chain and of all chains that it leads to."""
    seen, ahead = {base.name}, [base]
    while ahead:
        chain = ahead.pop()
        yield from chain.rules
        for name in _targets(ruleset, chain):
            if name not in seen and name in ruleset.chains:
                seen.add(name)
                ahead.append(ruleset.chains[name])


def _targets(ruleset: Ruleset, chain: Chain) -> Iterator[str]:
    for rule in chain.rules:
        for statement in rule.statements:
            if isinstance(statement, Goto | Jump):
                yield statement.chain
            elif isinstance(statement, VerdictMap):
                held = _lookup(ruleset, statement.map)
                verdicts = {e.value for e in held.elements if isinstance(e.value, Goto | Jump)}
                yield from sorted(verdict.chain for verdict in verdicts)


def _lookup(ruleset: Ruleset, where: str | NamedSet) -> NamedSet:
    return ruleset.sets[where] if isinstance(where, str) else where


def _place(node: NodeName, base: Chain, rule: Rule) -> Iterator[Violation]:
    incoming = base.hook in (Hook.PREROUTING, Hook.OUTPUT)
    for statement in rule.statements:
        match statement:
            case SetMark(value=HashChoice(fields=fields)) if not _CLIENT.issuperset(fields):
                yield _wrong(node, Kind.ORDER, base, "remembers backends by another thing than clients", rule)
            case SetZone() if base.priority >= RAW:
                yield _wrong(node, Kind.ORDER, base, "sets zones where others have exempted packets", rule)
            case Notrack() if base.priority >= CONNTRACK:
                yield _wrong(node, Kind.ORDER, base, "exempts packets that are tracked already", rule)
            case Reject() if incoming and base.priority >= DESTINATION_NAT:
                yield _wrong(node, Kind.ORDER, base, "refuses after others have translated", rule)
            case Nat(kind=NatKind.DNAT) if base.priority >= DESTINATION_NAT:
                yield _wrong(node, Kind.ORDER, base, "translates after kube-proxy has", rule)
            case Nat(kind=NatKind.SNAT | NatKind.MASQUERADE) if base.priority >= SOURCE_NAT:
                yield _wrong(node, Kind.ORDER, base, "translates sources after kube-proxy has", rule)
            case _:
                pass


def _leaving(node: NodeName, chain: Chain, rule: Rule, ruleset: Ruleset) -> Iterator[Violation]:
    for statement in rule.statements:
        if isinstance(statement, Nat) and statement.kind is not NatKind.DNAT:
            named = any(
                isinstance(other, Match) and not other.negated and _LEAVING.intersection(other.fields)
                for other in rule.statements
            )
            if not named:
                sentence = "changes sources without saying by which devices they leave"
                yield _wrong(node, Kind.TRANSLATION, chain, sentence, rule)


def _marks(node: NodeName, ruleset: Ruleset) -> Iterator[Violation]:
    """A choice of backends is carried in the mark, and taken off again before anyone routes by marks."""
    chosen = [
        (statement.value.offset, statement.value.offset + statement.value.modulus - 1)
        for chain in ruleset.chains.values()
        for rule in chain.rules
        for statement in rule.statements
        if isinstance(statement, SetMark) and isinstance(statement.value, RandomChoice | HashChoice)
    ]
    cleared = list(_cleared(ruleset))
    for first, last in sorted(set(chosen)):
        if not any(low <= first and last <= high for low, high in cleared):
            yield Violation(
                kind=Kind.ORDER,
                node=node,
                sentence=f"marks {first:#x} to {last:#x} of chosen backends stay on translated packets",
            )


def _cleared(ruleset: Ruleset) -> Iterator[tuple[int, int]]:
    for chain in ruleset.chains.values():
        after = chain.hook is Hook.PREROUTING and chain.priority > DESTINATION_NAT
        for rule in chain.rules if after else ():
            clears = [s for s in rule.statements if isinstance(s, SetMark) and s.value == 0]
            matches = [s for s in rule.statements if isinstance(s, Match)]
            if clears and not matches:
                yield 0, 2**32 - 1
            if clears and len(matches) == 1 and matches[0].fields == (Field.MARK,) and not matches[0].negated:
                yield from _intervals(matches[0])


def _intervals(match: Match) -> list[tuple[int, int]]:
    values = match.values
    if isinstance(values, str | NamedSet):
        return []
    return [cell for cell in values if isinstance(cell, tuple)]


def _tracking(node: NodeName, ruleset: Ruleset, vxlan_port: int) -> Iterator[Violation]:
    """The overlay's packets are not tracked: a table of connections has an end, and they need none."""
    for hook in (Hook.PREROUTING, Hook.OUTPUT):
        bases = [c for c in ruleset.chains.values() if c.hook is hook and c.priority < CONNTRACK]
        ports = {port for base in bases for port in _exempted(ruleset, base, None)}
        if ports != {vxlan_port}:
            sentence = f"{hook} exempts other packets from tracking than the overlay's"
            found = ", ".join(f"port {port}" for port in sorted(ports, key=str)) or "none"
            yield Violation(kind=Kind.ORDER, node=node, sentence=sentence, found=found)


def _exempted(ruleset: Ruleset, chain: Chain, port: int | None, depth: int = 0) -> Iterator[int | None]:
    """The UDP ports whose packets meet `notrack` from here on; None: any."""
    for rule in chain.rules if depth < _DEPTH else ():
        here = next((p for s in rule.statements if isinstance(s, Match) and (p := _udp_port(s))), port)
        for statement in rule.statements:
            if isinstance(statement, Notrack):
                yield here
            elif isinstance(statement, Goto | Jump) and statement.chain in ruleset.chains:
                yield from _exempted(ruleset, ruleset.chains[statement.chain], here, depth + 1)


def _udp_port(match: Match) -> int | None:
    if match.fields != (Field.UDP_DPORT,) or match.negated or len(_intervals(match)) != 1:
        return None
    (first, last) = _intervals(match)[0]
    return first if first == last else None


def _settled(node: NodeName, ruleset: Ruleset) -> Iterator[Violation]:
    """What networks send elsewhere than to their Services is translated to where it goes.

    So kube-proxy, which comes later, leaves it alone; and it must not leave alone what others send.
    """
    for version, field in ((4, Field.IP_DADDR), (6, Field.IP6_DADDR)):
        settled = [
            interval
            for chain in ruleset.chains.values()
            if chain.type is ChainType.NAT and chain.hook is Hook.PREROUTING
            for rule in chain.rules
            if Nat(kind=NatKind.DNAT, family=version, to=field) in rule.statements
            for interval in _groups(rule)
        ]
        if settled != [NETWORKS]:
            sentence = f"kube-proxy has its say about other IPv{version} packets than it should"
            found = ", ".join(f"groups {first} to {last}" for first, last in settled) or "of all groups"
            expected = f"only groups {NETWORKS[0]} to {NETWORKS[1]} are kept from it"
            yield Violation(kind=Kind.ORDER, node=node, sentence=sentence, expected=expected, found=found)


def _groups(rule: Rule) -> Iterable[tuple[int, int]]:
    matches = [statement for statement in rule.statements if isinstance(statement, Match)]
    if len(matches) == 1 and matches[0].fields == (Field.IIFGROUP,) and not matches[0].negated:
        return _intervals(matches[0])
    return ()
