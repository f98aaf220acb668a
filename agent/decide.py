"""Desired and observed layout to the ordered actions between them. Pure; equal layouts give none.

The order is one that a kernel accepts at every step: what blocks a name or a key goes first; links
before addresses, because an address needs its link; masters before routes, because enslaving drops
routes; neighbours before routes, so that a route works from its first packet. The rule that looks
up the local table is never absent: the new one is added before the old one goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from agent.actions import Action, CreateLink, Entry, Put, Remove, RemoveGroup, RemoveLink, SetLink, describe
from agent.kernel import Observation
from compiler import device_names as names
from compiler.layering import LOCAL_PRIORITY, LOCAL_TABLE
from compiler.layout import (
    ForwardingEntry,
    Layout,
    Link,
    LinkAddress,
    LinkKind,
    Neighbour,
    Route,
    Rule,
)
from compiler.names import NetworkNumber

KERNEL_LOCAL_PRIORITY: Final = 0
LONGEST_ALT_NAME: Final = 127
"""ALTIFNAMSIZ less the final zero; a longer name is left out, it is only for the eyes."""
_KIND_ORDER: Final = (
    LinkKind.VRF,
    LinkKind.VXLAN,
    LinkKind.HOST_LINK,
    LinkKind.POD_PORT,
)


def decide(
    desired: Layout, observation: Observation, *, lingering: frozenset[NetworkNumber] = frozenset()
) -> tuple[Action, ...]:
    """Actions from the observed layout to the desired one.

    Networks in `lingering` are no longer desired, but nothing of theirs is removed yet, nor what all
    networks share. Pod ports that do not exist are left out, with what hangs on them: only attaching
    makes ports.
    """
    desired = without_ports(desired, missing_ports(desired, observation))
    links = _LinkChanges.between(desired, observation, lingering)
    leaving_all = not desired.rules and not links.kept_tables
    wanted = desired.rules if desired.rules or leaving_all else observation.layout.rules
    rules = tuple(_rule_actions(wanted, observation.layout.rules))
    return (
        *(rules if desired.rules else ()),
        *links.removals(observation),
        *_entry_removals(desired, observation.layout, links),
        *links.additions(),
        *_entry_additions(desired, observation.layout, links),
        *(() if desired.rules else rules),
    )


def missing_ports(desired: Layout, observation: Observation) -> frozenset[str]:
    """Pod ports that the layout wants and the kernel has not: their pods' namespaces are gone."""
    present = {link.name for link in observation.layout.links}
    return frozenset(
        link.name for link in desired.links if link.kind is LinkKind.POD_PORT and link.name not in present
    )


def without_ports(layout: Layout, ports: frozenset[str]) -> Layout:
    if not ports:
        return layout
    return replace(
        layout,
        links=frozenset(link for link in layout.links if link.name not in ports),
        routes=frozenset(route for route in layout.routes if route.link not in ports),
        neighbours=frozenset(entry for entry in layout.neighbours if entry.link not in ports),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _LinkChanges:
    """Which links go, come, change; and on which links the kernel forgets what they held."""

    create: tuple[Link, ...]
    change: tuple[tuple[Link, Link], ...]
    """Desired and observed."""
    remove: tuple[Link, ...]
    emptied: frozenset[str]
    """Links that keep their name but lose their entries on the way."""
    gone: frozenset[str]
    """Links that go for good; their entries go with them."""
    kept_links: frozenset[str]
    kept_tables: frozenset[int]
    """Of lingering networks."""

    @staticmethod
    def between(
        desired: Layout, observation: Observation, lingering: frozenset[NetworkNumber]
    ) -> _LinkChanges:
        want = {link.name: _visible(link) for link in desired.links}
        have = {link.name: _visible(link) for link in observation.layout.links}
        kept = {name: link for name, link in have.items() if name not in want and _lingers(link, lingering)}
        rebuilt = {
            name for name in want.keys() & have.keys() if _identity(want[name]) != _identity(have[name])
        }
        emptied = {
            name
            for name in want.keys() & have.keys()
            if name in rebuilt
            or want[name].master != have[name].master
            or want[name].master in rebuilt
            or not observation.down.isdisjoint(_ends(have[name]))
        }
        changed = {
            name
            for name in (want.keys() & have.keys()) - rebuilt
            if want[name] != have[name] or name in emptied
        }
        gone = have.keys() - want.keys() - kept.keys()
        return _LinkChanges(
            create=_in_order(want[name] for name in (want.keys() - have.keys()) | rebuilt),
            change=tuple((link, have[link.name]) for link in _in_order(want[name] for name in changed)),
            remove=_in_order(have[name] for name in gone | rebuilt),
            emptied=frozenset(end for name in emptied for end in _ends(have[name])),
            gone=frozenset(end for name in gone for end in _ends(have[name])),
            kept_links=frozenset(end for link in kept.values() for end in _ends(link)),
            kept_tables=frozenset(link.table for link in kept.values() if link.table is not None),
        )

    def removals(self, observation: Observation) -> Iterator[Action]:
        going = {link.name for link in self.remove}
        staying = {link.group for link in observation.layout.links if link.name not in going}
        whole: set[int] = set()
        for link in self.remove:
            if link.kind is LinkKind.VRF and link.group not in staying | observation.foreign_groups:
                whole.add(link.group)
                yield RemoveGroup(group=link.group)
        for link in self.remove:
            if link.group not in whole:
                yield RemoveLink(name=link.name)

    def additions(self) -> Iterator[Action]:
        yield from (CreateLink(link=link) for link in self.create)
        yield from (SetLink(link=link, was=was) for link, was in self.change)

    def forgets(self, entry: Entry) -> bool:
        """Whether the link changes above take an observed entry with them."""
        link = None if isinstance(entry, Rule) else entry.link
        return link is not None and (link in self.emptied or link in self.gone)

    def keeps(self, entry: Entry) -> bool:
        """Whether an entry belongs to a lingering network."""
        if isinstance(entry, Route) and entry.table in self.kept_tables:
            return True
        return not isinstance(entry, Rule) and entry.link in self.kept_links


def _visible(link: Link) -> Link:
    """The link as the kernel can show it."""
    if link.alt_name is not None and len(link.alt_name.encode()) > LONGEST_ALT_NAME:
        return replace(link, alt_name=None)
    return link


def _identity(link: Link) -> tuple[object, ...]:
    """What cannot change while the link exists."""
    return (link.kind, link.table, link.vni, link.local, link.port, link.peer)


def _ends(link: Link) -> tuple[str, ...]:
    return (link.name,) if link.peer is None else (link.name, link.peer)


def _lingers(link: Link, lingering: frozenset[NetworkNumber]) -> bool:
    return any(
        link.name in (names.vrf_name(n), names.vxlan_name(n), names.host_link_name(n))
        or link.master == names.vrf_name(n)
        for n in lingering
    )


def _in_order(links: Iterable[Link]) -> tuple[Link, ...]:
    return tuple(sorted(links, key=lambda link: (_KIND_ORDER.index(link.kind), link.group, link.name)))


def _entry_removals(desired: Layout, observed: Layout, links: _LinkChanges) -> Iterator[Action]:
    """Routes first: a route may use an address or a neighbour, never the other way round."""
    for want, have in _entry_kinds(desired, observed, removing=True):
        replaced = {key(entry) for entry in want}
        stale = (
            entry
            for entry in have - want
            if key(entry) not in replaced and not links.forgets(entry) and not links.keeps(entry)
        )
        yield from (Remove(entry=entry) for entry in sorted(stale, key=describe))


def _entry_additions(desired: Layout, observed: Layout, links: _LinkChanges) -> Iterator[Action]:
    for want, have in _entry_kinds(desired, observed, removing=False):
        surviving = {entry for entry in have if not links.forgets(entry)}
        yield from (Put(entry=entry) for entry in sorted(want - surviving, key=describe))


def _entry_kinds(
    desired: Layout, observed: Layout, *, removing: bool
) -> tuple[tuple[frozenset[Entry], frozenset[Entry]], ...]:
    kinds: tuple[tuple[frozenset[Entry], frozenset[Entry]], ...] = (
        (desired.addresses, observed.addresses),
        (desired.neighbours, observed.neighbours),
        (desired.forwarding, observed.forwarding),
        (desired.routes, observed.routes),
    )
    return kinds[::-1] if removing else kinds


def key(entry: Entry) -> tuple[object, ...]:
    """Two entries with one key cannot both exist: putting the second replaces the first."""
    match entry:
        case LinkAddress():
            return (LinkAddress, entry.link, entry.address, entry.prefix_length)
        case Route():
            return (Route, entry.table, entry.prefix, entry.metric)
        case Neighbour():
            return (Neighbour, entry.link, entry.address)
        case ForwardingEntry():
            return (ForwardingEntry, entry.link, entry.mac)
        case Rule():
            return (Rule, entry.family, entry.priority)


def _rule_actions(desired: frozenset[Rule], observed: frozenset[Rule]) -> Iterator[Action]:
    wanted = set(desired)
    for family in sorted({rule.family for rule in observed if rule.priority == LOCAL_PRIORITY}):
        if not any(rule.family == family and rule.table == LOCAL_TABLE for rule in desired):
            wanted.add(Rule(family=family, priority=KERNEL_LOCAL_PRIORITY, table=LOCAL_TABLE))
    yield from (Put(entry=rule) for rule in _rules_in_order(wanted - observed))
    replaced = {rule.family for rule in wanted if rule.table == LOCAL_TABLE}
    for rule in _rules_in_order(observed - wanted):
        if rule.priority != KERNEL_LOCAL_PRIORITY or rule.family in replaced:
            yield Remove(entry=rule)


def _rules_in_order(rules: Iterable[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: (rule.family, rule.priority, rule.table or 0))
