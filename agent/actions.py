"""The agent's change set: inert values that print as what they do, in the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.layout import ForwardingEntry, Link, LinkAddress, Neighbour, Route, Rule
from compiler.ruleset import TABLE

Entry = LinkAddress | Route | Neighbour | ForwardingEntry | Rule


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateLink:
    """Make a link and bring it up: group, addresses, master, alternative name and sysctls included."""

    link: Link

    def __str__(self) -> str:
        return f"create {describe_link(self.link)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SetLink:
    """Bring an existing link to what it should be, up included. `was` is None where nothing is known."""

    link: Link
    was: Link | None = None

    def __str__(self) -> str:
        return f"set {describe_link(self.link)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveLink:
    name: str

    def __str__(self) -> str:
        return f"remove link {self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveGroup:
    """Remove every link of an interface group in one message."""

    group: int

    def __str__(self) -> str:
        return f"remove links of group {self.group}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """Add an entry, or replace the one with its key."""

    entry: Entry

    def __str__(self) -> str:
        return f"put {describe(self.entry)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Remove:
    entry: Entry

    def __str__(self) -> str:
        return f"remove {describe(self.entry)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaceTable:
    """What was done about a table that another hand had changed."""

    def __str__(self) -> str:
        return f"replace table {TABLE}: it had been changed"


Action = CreateLink | SetLink | RemoveLink | RemoveGroup | Put | Remove
Repair = Action | ReplaceTable


def describe_link(link: Link) -> str:
    parts = [f"{link.kind} {link.name} group {link.group}"]
    if link.alt_name is not None:
        parts.append(f"({link.alt_name})")
    if link.table is not None:
        parts.append(f"table {link.table}")
    if link.vni is not None:
        parts.append(f"vni {link.vni} local {link.local}")
    if link.peer is not None:
        parts.append(f"peer {link.peer}")
    if link.master is not None:
        parts.append(f"master {link.master}")
    return " ".join(parts)


def describe(entry: Entry) -> str:
    """One entry in the words of ip(8)."""
    match entry:
        case LinkAddress():
            return f"address {entry.address}/{entry.prefix_length} dev {entry.link}"
        case Route():
            return _describe_route(entry)
        case Neighbour():
            return f"neighbour {entry.address} lladdr {entry.mac} dev {entry.link}"
        case ForwardingEntry():
            return f"fdb {entry.mac} dst {entry.remote} dev {entry.link}"
        case Rule():
            origin = f" iif {entry.input_link}" if entry.input_link else ""
            lookup = "l3mdev" if entry.table is None else f"lookup {entry.table}"
            return f"rule -{entry.family} pref {entry.priority}{origin} {lookup}"


def _describe_route(route: Route) -> str:
    if route.link is None:
        return f"route unreachable {route.prefix} table {route.table} metric {route.metric}"
    via = f" via {route.via}" if route.via is not None else ""
    source = f" src {route.source}" if route.source is not None else ""
    metric = f" metric {route.metric}" if route.metric else ""
    return f"route {route.prefix}{via} dev {route.link} table {route.table}{source}{metric}"
