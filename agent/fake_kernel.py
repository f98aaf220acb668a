"""A simulated `agent.kernel.Kernel`, with the kernel's habits that the agent has to respect.

Enslaving and bringing a link down drops its routes; removing a link removes all that hangs on it,
and a VRF's slaves lose their master; an entry needs its link, a slave its master; the last rule
that looks up the local table can be removed, and is missed by `cut_off`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.actions import Action, CreateLink, Entry, Put, Remove, RemoveGroup, RemoveLink, SetLink
from agent.decide import key
from agent.kernel import Failure, KernelRefused, Observation, PodEnd
from compiler.layering import LOCAL_TABLE
from compiler.layout import (
    ForwardingEntry,
    Layout,
    Link,
    LinkAddress,
    Neighbour,
    Route,
    Rule,
)


class _Refused(Exception):
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignLink:
    name: str
    group: int = 0


class FakeKernel:
    def __init__(self, *, foreign: Sequence[ForeignLink] = ()) -> None:
        self.links: dict[str, Link] = {}
        self.down: set[str] = set()
        self.entries: set[Entry] = {Rule(family=f, priority=0, table=LOCAL_TABLE) for f in (4, 6)}
        self.pods: dict[tuple[str, str], PodEnd] = {}
        """Pods' ends, by namespace path and interface."""
        self.ports: dict[str, tuple[str, str]] = {}
        self.foreign = {link.name: link for link in foreign}
        self.namespaces: set[str] | None = None
        """Paths that are network namespaces; None: every path is one."""
        self.ended: set[str] = set()
        """Paths that were network namespaces."""
        self.refuse: set[str] = set()
        """Actions, as they print, that this kernel refuses."""
        self.history: list[str] = []
        self.observations = 0
        self._lock = threading.Lock()
        self.cut_off = False
        """Whether there ever was an instant without a rule that looks up the local table."""

    def observe(self) -> Observation:
        with self._lock:
            return self._observe()

    def _observe(self) -> Observation:
        self.observations += 1
        return Observation(
            layout=Layout(
                links=frozenset(self.links.values()),
                addresses=frozenset(e for e in self.entries if isinstance(e, LinkAddress)),
                routes=frozenset(e for e in self.entries if isinstance(e, Route)),
                neighbours=frozenset(e for e in self.entries if isinstance(e, Neighbour)),
                forwarding=frozenset(e for e in self.entries if isinstance(e, ForwardingEntry)),
                rules=frozenset(e for e in self.entries if isinstance(e, Rule)),
            ),
            down=frozenset(self.down),
            foreign_groups=frozenset(link.group for link in self.foreign.values() if link.group),
        )

    def apply(self, actions: Sequence[Action]) -> None:
        failures: list[Failure] = []
        for action in actions:
            try:
                with self._lock:
                    self._apply(action)
            except _Refused as error:
                failures.append(Failure(action=str(action), reason=str(error)))
        if failures:
            raise KernelRefused(failures)

    def plug(self, port: Link, end: PodEnd) -> None:
        with self._lock:
            self._plug(port, end)

    def _plug(self, port: Link, end: PodEnd) -> None:
        title = f"create pod port {port.name} and {end.interface} in {end.netns}"
        self.history.append(title)
        if self.namespaces is not None and end.netns not in self.namespaces:
            reason = f"network namespace {end.netns}: No such file or directory"
            raise KernelRefused([Failure(action=title, reason=reason)])
        if port.name in self.links:
            self._drop(port.name)
        if (end.netns, end.interface) in self.pods:
            raise KernelRefused([Failure(action=title, reason="File exists")])
        self.links[port.name] = replace(port, master=None)
        self.down.add(port.name)
        self.pods[end.netns, end.interface] = end
        self.ports[port.name] = (end.netns, end.interface)

    def pod_problem(self, end: PodEnd) -> str | None:
        held = self.pods.get((end.netns, end.interface))
        if held is None:
            return f"{end.interface} does not exist in {end.netns}"
        return None if held == end else f"{end.interface} is down, or is not the interface that ADD made"

    def has_namespace(self, path: str) -> bool:
        return path not in self.ended and (self.namespaces is None or path in self.namespaces)

    def end_pod(self, netns: str) -> None:
        """The pod's namespace goes, as at a reboot or when its sandbox is killed."""
        self.ended.add(netns)
        for name, (path, _) in list(self.ports.items()):
            if path == netns:
                self._drop(name)

    def set_down(self, name: str) -> None:
        """By another hand."""
        self.down.add(name)
        self._forget(lambda entry: isinstance(entry, Route | Neighbour), {name})

    def _apply(self, action: Action) -> None:
        self.history.append(str(action))
        if str(action) in self.refuse:
            raise _Refused("Operation not permitted")
        self._run(action)
        rules = {e.family for e in self.entries if isinstance(e, Rule) and e.table == LOCAL_TABLE}
        self.cut_off = self.cut_off or rules != {4, 6}

    def _run(self, action: Action) -> None:
        match action:
            case CreateLink(link=link):
                self._create(link)
            case SetLink(link=link):
                self._set(link)
            case RemoveLink(name=name):
                self._drop(name)
            case RemoveGroup(group=group):
                for name in [link.name for link in self.links.values() if link.group == group]:
                    self._drop(name)
                self.foreign = {n: link for n, link in self.foreign.items() if link.group != group}
            case Put(entry=entry):
                self._put(entry)
            case Remove(entry=entry):
                self.entries.discard(entry)

    def _create(self, link: Link) -> None:
        if link.name in self.links or link.name in self.foreign:
            raise _Refused(f"a device named {link.name} exists and is not Atoll's: rename or remove it")
        self._demand_master(link)
        self.links[link.name] = link

    def _set(self, link: Link) -> None:
        if link.name not in self.links:
            raise _Refused(f"link {link.name} does not exist")
        self._demand_master(link)
        if self.links[link.name].master != link.master:
            self._forget(lambda entry: isinstance(entry, Route), {link.name})
        self.links[link.name] = link
        self.down -= {link.name, link.peer}

    def _demand_master(self, link: Link) -> None:
        if link.master is not None and link.master not in self.links:
            raise _Refused(f"link {link.master} does not exist")

    def _drop(self, name: str) -> None:
        link = self.links.pop(name, None)
        if link is None:
            return
        ends = {name} if link.peer is None else {name, link.peer}
        self.down -= ends
        self._forget(lambda entry: True, ends)
        self.pods.pop(self.ports.pop(name, ("", "")), None)
        for slave in [other for other in self.links.values() if other.master == name]:
            self.links[slave.name] = replace(slave, master=None)
            self._forget(lambda entry: isinstance(entry, Route), {slave.name})

    def _forget(self, kind: Callable[[Entry], bool], links: set[str]) -> None:
        self.entries = {e for e in self.entries if not (kind(e) and _link_of(e) in links)}

    def _put(self, entry: Entry) -> None:
        link = _link_of(entry)
        ends = {end for held in self.links.values() for end in (held.name, held.peer)}
        if link is not None and link not in ends:
            raise _Refused(f"link {link} does not exist")
        if link in self.down and isinstance(entry, Route):
            raise _Refused("Network is down")
        if isinstance(entry, Rule) and entry in self.entries:
            raise _Refused("File exists")
        if not isinstance(entry, Rule):
            self.entries = {e for e in self.entries if isinstance(e, Rule) or key(e) != key(entry)}
        self.entries.add(entry)


def _link_of(entry: Entry) -> str | None:
    return None if isinstance(entry, Rule) else entry.link
