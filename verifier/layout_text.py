"""A layout text, commands of ip(8) and bridge(8), to the State that a kernel has after them.

Every form that a line may have stands in one table, complete with its options: a line that fits none is an
error, and so is one that a kernel would refuse, such as a route over a device that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeAlias

from verifier.address_text import address_of, prefix_of, table_of
from verifier.state import (
    ForwardingEntry,
    Link,
    LinkAddress,
    Neighbour,
    Route,
    RouteKind,
    Rule,
    State,
    kernel_rules,
    vrf_rules,
)
from verifier.unreadable import Unreadable

Fact: TypeAlias = Route | Neighbour | ForwardingEntry | tuple[str, LinkAddress]
"""What a line says by itself, whatever stands before it."""
Options: TypeAlias = re.Match[str]


@dataclass(frozen=True, slots=True)
class LayoutReader:
    """Reads layouts, lines that they have in common once: every node of a network has the same routes."""

    _facts: dict[str, Fact] = field(default_factory=dict)

    def read(self, text: str) -> State:
        """Raises Unreadable with the line."""
        made = _Made()
        for number, raw in enumerate(text.splitlines(), start=1):
            line = raw.strip()
            try:
                made.add(self._facts.get(line) or self._line(made, line))
            except Unreadable as error:
                raise error.at(number, line) from None
        return made.state()

    def _line(self, made: _Made, line: str) -> Fact | None:
        for form, fact in _FACTS.items():
            if options := form.fullmatch(line):
                found = self._facts[line] = fact(options)
                return found
        for form, change in _CHANGES.items():
            if options := form.fullmatch(line):
                change(made, options)
                return None
        if not line or line.startswith("#"):
            return None
        raise Unreadable("it is not understood")


def read_layout(text: str) -> State:
    """Raises Unreadable with the line."""
    return LayoutReader().read(text)


@dataclass(slots=True)
class _Made:
    """What the lines so far have made."""

    links: dict[str, Link] = field(default_factory=dict)
    addresses: dict[str, list[LinkAddress]] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=lambda: list(kernel_rules()))
    neighbours: list[Neighbour] = field(default_factory=list)
    forwarding: list[ForwardingEntry] = field(default_factory=list)

    def link(self, name: str) -> Link:
        if name not in self.links:
            raise Unreadable(f"there is no device {name}")
        return self.links[name]

    def make(self, link: Link) -> None:
        if link.name in self.links:
            raise Unreadable(f"the device {link.name} is made twice")
        if link.kind == "vrf" and all(other.kind != "vrf" for other in self.links.values()):
            self.rules += vrf_rules()
        self.links[link.name] = link

    def add(self, fact: Fact | None) -> None:
        match fact:
            case Route():
                if fact.link is not None:
                    self.link(fact.link)
                self.routes.append(fact)
            case Neighbour():
                self.link(fact.link)
                self.neighbours.append(fact)
            case ForwardingEntry():
                self.link(fact.link)
                self.forwarding.append(fact)
            case (name, address):
                self.link(name)
                self.addresses.setdefault(name, []).append(address)

    def state(self) -> State:
        links = {
            name: replace(link, addresses=tuple(self.addresses.get(name, ())))
            for name, link in self.links.items()
        }
        return State(
            links=links,
            routes=tuple(self.routes),
            rules=tuple(sorted(self.rules, key=lambda rule: (rule.family, rule.priority))),
            neighbours=tuple(self.neighbours),
            forwarding=tuple(self.forwarding),
        )


def _address(line: Options) -> Fact:
    added = LinkAddress(address=address_of(line["address"]), length=int(line["length"]))
    return (line["link"], added)


def _neighbour(line: Options) -> Fact:
    return Neighbour(link=line["link"], address=address_of(line["address"]), mac=line["mac"])


def _forwarding(line: Options) -> Fact:
    return ForwardingEntry(link=line["link"], mac=line["mac"], remote=address_of(line["remote"]))


def _route(line: Options) -> Fact:
    family, network, length = prefix_of(line["prefix"])
    if family != int(line["family"]):
        raise Unreadable(f"{line['prefix']} is not of IPv{line['family']}")
    kind = RouteKind(line["kind"] or RouteKind.UNICAST)
    if (line["link"] is None) is (kind is RouteKind.UNICAST):
        raise Unreadable("a route has a device, or is one of those that lead nowhere")
    return Route(
        family=family,
        table=table_of(line["table"]),
        network=network,
        length=length,
        link=line["link"],
        via=address_of(line["via"]) if line["via"] else None,
        source=address_of(line["source"]) if line["source"] else None,
        metric=int(line["metric"] or 0),
        kind=kind,
    )


_FACTS: Final[Mapping[re.Pattern[str], Callable[[Options], Fact]]] = MappingProxyType(
    {
        re.compile(
            r"ip -(?P<family>[46]) route add (?:(?P<kind>unreachable|blackhole|prohibit|throw) )?"
            r"(?P<prefix>\S+)(?: via (?:inet6 )?(?P<via>\S+))?(?: dev (?P<link>\S+))?"
            r" table (?P<table>\S+) proto \S+(?: metric (?P<metric>\d+))?"
            r"(?: src (?P<source>\S+))?(?: onlink)?"
        ): _route,
        re.compile(
            r"ip neighbour add (?P<address>\S+) lladdr (?P<mac>\S+) dev (?P<link>\S+) nud permanent"
        ): _neighbour,
        re.compile(
            r"bridge fdb add (?P<mac>\S+) dev (?P<link>\S+) dst (?P<remote>\S+) self permanent"
        ): _forwarding,
        re.compile(r"ip address add (?P<address>\S+)/(?P<length>\d+) dev (?P<link>\S+)(?: nodad)?"): _address,
    }
)


def _vrf(made: _Made, line: Options) -> None:
    made.make(Link(name=line["name"], kind="vrf", table=table_of(line["table"]), up=False))


def _vxlan(made: _Made, line: Options) -> None:
    made.make(
        Link(
            name=line["name"],
            kind="vxlan",
            vni=int(line["vni"]),
            local=address_of(line["local"]),
            port=int(line["port"]),
            up=False,
        )
    )


def _pair(made: _Made, line: Options) -> None:
    made.make(Link(name=line["name"], kind="veth", peer=line["peer"], up=False))
    made.make(Link(name=line["peer"], kind="veth", peer=line["name"], up=False))


def _port(made: _Made, line: Options) -> None:
    made.make(Link(name=line["name"], kind="veth", up=False))


def _set(made: _Made, line: Options) -> None:
    if line["master"] is not None:
        made.link(line["master"])
    made.links[line["name"]] = replace(
        made.link(line["name"]),
        group=int(line["group"]),
        mac=line["mac"],
        master=line["master"],
        up=line["up"] is not None,
    )


def _named(made: _Made, line: Options) -> None:
    """A name for people, or a way to make link-local addresses: it bears on no packet."""
    made.link(line["name"])


def _rule_add(made: _Made, line: Options) -> None:
    made.rules.append(
        Rule(
            family=int(line["family"]),
            priority=int(line["priority"]),
            table=table_of(line["table"]) if line["table"] else None,
            input_link=line["input"],
        )
    )


def _rule_delete(made: _Made, line: Options) -> None:
    """The first one of the priority, as the kernel does it."""
    family, priority = int(line["family"]), int(line["priority"])
    for at, rule in enumerate(made.rules):
        if (rule.family, rule.priority) == (family, priority):
            del made.rules[at]
            return
    raise Unreadable(f"there is no rule {priority} to delete")


_CHANGES: Final[Mapping[re.Pattern[str], Callable[[_Made, Options], None]]] = MappingProxyType(
    {
        re.compile(r"ip link add (?P<name>\S+) type vrf table (?P<table>\S+)"): _vrf,
        re.compile(
            r"ip link add (?P<name>\S+) type vxlan id (?P<vni>\d+) local (?P<local>\S+)"
            r" dstport (?P<port>\d+) nolearning"
        ): _vxlan,
        re.compile(r"ip link add (?P<name>\S+) type veth peer name (?P<peer>\S+)"): _pair,
        re.compile(r"# (?P<name>\S+) is made by the agent: its other end is inside the pod"): _port,
        re.compile(
            r"ip link set (?P<name>\S+) group (?P<group>\d+) address (?P<mac>\S+) mtu \d+"
            r"(?: master (?P<master>\S+))?(?P<up> up)?"
        ): _set,
        re.compile(r"ip link property add dev (?P<name>\S+) altname \S+"): _named,
        re.compile(r"ip link set (?P<name>\S+) addrgenmode none"): _named,
        re.compile(
            r"ip -(?P<family>[46]) rule add pref (?P<priority>\d+)(?: iif (?P<input>\S+))?"
            r" (?:l3mdev|lookup (?P<table>\S+)) protocol \S+"
        ): _rule_add,
        re.compile(r"ip -(?P<family>[46]) rule del pref (?P<priority>\d+)"): _rule_delete,
    }
)
