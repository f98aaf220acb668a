"""Pods of one network on a node fare alike but for their addresses: no rule tells them apart.

A node by its plan is judged by one port for each network (review.witnesses), with one address of each
block, and by devices in group 0 for those that are not ours. That speaks for all of them only where no rule
asks for a part of a block, for some other groups, or for a device by its name. A kernel's dump has its real
ports and groups, but of devices that are not ours one of each sort is looked at there too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from compiler.names import NetworkNumber
from verifier.address_text import address_text
from verifier.fabric import OURS, Fabric
from verifier.intervals import Interval
from verifier.matching import FAMILIES
from verifier.openings import ENDPOINT_V4, ENDPOINT_V6
from verifier.routing import LOOPBACK
from verifier.ruleset import (
    Cell,
    Element,
    Field,
    Lookup,
    MapLookup,
    Match,
    Nat,
    Rule,
    SetMark,
    SetZone,
    VerdictMap,
)
from verifier.violation import Kind, Violation

_NAMES: Final = frozenset({Field.IIFNAME, Field.OIFNAME})
_GROUPS: Final = frozenset({Field.IIFGROUP, Field.OIFGROUP})
_OTHERS: Final = (OURS[-1] + 1, 0xFFFFFFFF)
"""Groups of devices that are not ours, beside 0."""
_HAIRPINS: Final = (
    (Field.OIFGROUP, Field.IP_SADDR, Field.IP_DADDR),
    (Field.OIFGROUP, Field.IP6_SADDR, Field.IP6_DADDR),
)
"""Of a pod that meets itself through a Service: who serves is what rules may ask."""
_OPENINGS: Final = (ENDPOINT_V4, ENDPOINT_V6)
"""Read element by element elsewhere (verifier.openings)."""
_Asked = tuple[tuple[Field, ...], tuple[Element, ...]]


def check_alike(fabric: Fabric) -> Iterator[Violation]:
    blocks = None if fabric.node.state.complete else _Blocks(fabric)
    told: set[str] = set()
    for chain in fabric.node.ruleset.chains.values():
        for rule in chain.rules:
            for fields, elements in _asked(fabric, rule):
                found = _telling_apart(fabric, blocks, fields, elements)
                if found is not None and rule.text not in told:
                    told.add(rule.text)
                    what, networks = found
                    sentence = f"a rule of chain {chain.name} {what}"
                    yield fabric.violation(Kind.APART, sentence, *networks, found=rule.text)


def _telling_apart(
    fabric: Fabric, blocks: _Blocks | None, fields: tuple[Field, ...], elements: tuple[Element, ...]
) -> tuple[str, tuple[NetworkNumber, ...]] | None:
    """What a rule says that it may not, and of which networks."""
    name = _unknown_name(fabric, fields, elements)
    if name is not None:
        return f"tells {name} from other devices, by its name", ()
    if blocks is None or fields in _OPENINGS:
        return None
    if fields in _HAIRPINS:
        return blocks.unlike(elements, FAMILIES[fields[1]])
    for at, field in enumerate(fields):
        for cell in (element.key[at] for element in elements):
            found = _split(fabric, blocks, field, cell) if isinstance(cell, tuple) else None
            if found is not None:
                return found
    return None


def _split(
    fabric: Fabric, blocks: _Blocks, field: Field, asked: Interval
) -> tuple[str, tuple[NetworkNumber, ...]] | None:
    if field in _GROUPS:
        first, last = _OTHERS
        apart = asked[1] >= first and not (asked[0] <= first and asked[1] >= last)
        return ("tells interface groups that are not ours apart", ()) if apart else None
    family = FAMILIES.get(field)
    number = blocks.split_by(family, asked) if family is not None else None
    if number is None:
        return None
    return f"tells addresses of {fabric.meaning.networks[number].name} on this node apart", (number,)


def _asked(fabric: Fabric, rule: Rule) -> Iterator[_Asked]:
    """What a rule looks at, and the values that it looks for."""
    for statement in rule.statements:
        match statement:
            case Match(fields=fields, values=tuple() as cells):
                yield fields, tuple(Element(key=(cell,)) for cell in cells)
            case Match(fields=fields, values=str() | _ as lookup) if not isinstance(lookup, tuple):
                yield fields, _elements(fabric, lookup)
            case VerdictMap(fields=fields, map=lookup):
                yield fields, _elements(fabric, lookup)
            case SetMark(value=MapLookup() as value) | SetZone(value=MapLookup() as value):
                yield value.fields, _elements(fabric, value.map)
            case Nat(to=MapLookup() as value):
                yield value.fields, _elements(fabric, value.map)


def _elements(fabric: Fabric, lookup: Lookup) -> tuple[Element, ...]:
    return fabric.node.ruleset.sets[lookup].elements if isinstance(lookup, str) else lookup.elements


def _unknown_name(fabric: Fabric, fields: tuple[Field, ...], elements: Iterable[Element]) -> str | None:
    """A name that is neither the loopback device's nor that of a device which is judged by itself."""
    columns = [at for at, field in enumerate(fields) if field in _NAMES]
    if not columns:
        return None
    known = {LOOPBACK}
    for links in (fabric.vrfs, fabric.vxlans, fabric.host_links):
        known |= {link.name for link in links.values()}
    known |= {link.peer for link in fabric.host_links.values() if link.peer}
    if fabric.node.state.complete:
        known |= {port.link for port in fabric.ports}
    named = (str(element.key[at]) for element in elements for at in columns)
    return next((name for name in named if name not in known), None)


class _Blocks:
    """The blocks of networks on the node, in order; no two overlap."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._ranges: dict[int, list[tuple[int, int, NetworkNumber]]] = {4: [], 6: []}
        for number, network in fabric.meaning.networks.items():
            for block in network.blocks.get(fabric.name, ()):
                first, last = int(block.network_address), int(block.broadcast_address)
                self._ranges[block.version].append((first, last, number))
        for ranges in self._ranges.values():
            ranges.sort()
        self._starts = {family: [first for first, _, _ in ranges] for family, ranges in self._ranges.items()}

    def split_by(self, family: int, asked: Interval) -> NetworkNumber | None:
        """Whose block has addresses on both sides of an end of the interval."""
        low, high = asked
        for inside, beyond in ((low, low - 1), (high, high + 1)):
            held = self._holding(family, inside)
            if held is not None and held[0] <= beyond <= held[1]:
                return held[2]
        return None

    def _holding(self, family: int, address: int) -> tuple[int, int, NetworkNumber] | None:
        at = bisect_right(self._starts[family], address) - 1
        held = self._ranges[family][at] if at >= 0 else None
        return held if held is not None and address <= held[1] else None

    def unlike(
        self, elements: Iterable[Element], family: int
    ) -> tuple[str, tuple[NetworkNumber, ...]] | None:
        """A pod of the node behind a Service that is not named, or one that is named and behind none."""
        expected = {
            ((number,) * 2, (address,) * 2, (address,) * 2) for number, address in self._meeting(family)
        }
        named = {element.key for element in elements}
        for key in sorted(expected - named):
            who = address_text((family, key[1][0]))
            return f"forgets {who}, whom a Service leads to itself", (NetworkNumber(key[0][0]),)
        if any(self._touched(family, cell) for key in named - expected for cell in key[1:]):
            return "gives others a source than pods that a Service leads to themselves", ()
        return None

    def _touched(self, family: int, cell: Cell) -> bool:
        """Whether some address of a block here is in it: of others, no pod's packets leave by a port here."""
        if isinstance(cell, str):
            return True
        return any(first <= cell[1] and cell[0] <= last for first, last, _ in self._ranges[family])

    def _meeting(self, family: int) -> Iterator[tuple[NetworkNumber, int]]:
        """Pods of the node behind a Service that answers their own network."""
        meaning, name = self._fabric.meaning, self._fabric.name
        for number in meaning.nodes[name].present:
            for answer in meaning.answers(name, number).values():
                for address, _ in answer.backends:
                    held = self._holding(family, int(address)) if address.version == family else None
                    if held is not None and held[2] == number:
                        yield number, int(address)
