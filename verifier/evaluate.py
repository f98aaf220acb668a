"""What one node's kernel does with packets: all of them at once, from one place of entry.

A packet that comes in by a device of a VRF passes prerouting twice, first on the device, then on the VRF
(l3mdev_ip_rcv). Then it is routed: to the node itself (input), or onwards (forward, postrouting). The node's
own packets are routed first, then pass output and postrouting. The kernel forwards (ip_forward is on), and
rp_filter is off on Atoll's devices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from verifier.batch import DADDR, DPORT, MARK, NO_MARK, SADDR, Batch, batch_of, coalesce
from verifier.fault import Contradiction
from verifier.intervals import Intervals, subtract, union
from verifier.outcome import Fate, Flow, Outcome, Trail
from verifier.packets import Box, any_address, every_packet
from verifier.passage import Passage, Shared, with_sources
from verifier.program import Program
from verifier.routing import LOOPBACK, Hop, Routing, Way
from verifier.ruleset import Hook
from verifier.scene import Met, Scene
from verifier.state import Link, Node, RouteKind
from verifier.walk import Walk

MULTICAST: Final[dict[int, Intervals]] = {
    4: ((0xE0000000, 0xEFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)),
    6: ((0xFF << 120, 2**128 - 1),),
}
"""Never forwarded without a multicast router: for the node itself, if for anyone (ip_route_input)."""
_TRANSLATED: Final = 1 << SADDR | 1 << DADDR | 1 << DPORT
_TO_THE_NODE: Final = (
    RouteKind.LOCAL,
    RouteKind.BROADCAST,
    RouteKind.ANYCAST,
    RouteKind.MULTICAST,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Undo:
    """How the answers to a translated connection are translated back; None: that side was not translated.

    `daddr`: where the first packet came from, before its source was translated. `saddr`: where it went to,
    before its destination was.
    """

    daddr: Intervals | None = None
    saddr: Intervals | None = None

    def __call__(self, batch: Batch, scene: Scene) -> Batch:
        if scene.hook in (Hook.PREROUTING, Hook.OUTPUT):
            return batch if self.daddr is None else batch.become(DADDR, self.daddr)
        return batch if self.saddr is None else batch.become(SADDR, self.saddr)


class Kernel:
    """A node, indexed once and asked many times. Kernels of one cluster may have their `shared` in common."""

    def __init__(self, node: Node, shared: Shared | None = None) -> None:
        self.node = node
        self.shared = shared or Shared()
        self.routing = Routing(node.state)
        self.program = Program(node.ruleset, self.shared.indexes)
        self._alike: dict[tuple[object, ...], tuple[Flow, ...]] = {}
        self._passages: dict[tuple[object, ...], Passage] = {}
        self._overlays: dict[tuple[str, int, Hop], Outcome] = {}
        self._from_vrf: dict[tuple[object, ...], tuple[Flow, ...]] = {}
        self._shape = self.shared.shape(node.ruleset)

    def partition(self, link: str, packets: Box) -> tuple[Flow, ...]:
        """What becomes of the packets that come in by a device; computed once for devices that are alike.

        The flows' `packets` are disjoint, but for those that a random choice sends either way, and make up
        what was asked.
        """
        device = self._device(link)
        vrf = self.routing.vrf_of(link)
        if vrf is not None and vrf is not device and packets == every_packet(packets.family):
            return self._of_vrf(device, vrf, packets.family)
        alike = (device.group, device.kind, device.master, packets)
        found = self._alike.get((*alike, None)) or self._alike.get((*alike, link))
        if found is None:
            visit = _Visit(self, packets.family)
            found = visit.arrive(device, batch_of(packets))
            self._alike[(*alike, link if visit.looked_back else None)] = found
        return found

    def _of_vrf(self, device: Link, vrf: Link, family: int) -> tuple[Flow, ...]:
        """All that a VRF's devices differ in is to which sources they lead back.

        So the packets whose source leads back, and the others, are evaluated once for all devices, as if
        they had every source, and then cut to theirs.
        """
        passage, flows = self._from(device, vrf, family, back=True)
        if passage.looked_back_twice:
            return _Visit(self, family).arrive(device, batch_of(every_packet(family)))
        if not passage.looked_back:
            return flows
        good = self.routing.leads_back(family, device.name)
        bad = subtract(any_address(family), good)
        _, others = self._from(device, vrf, family, back=False)
        return (*with_sources(flows, good), *with_sources(others, bad))

    def _from(self, device: Link, vrf: Link, family: int, *, back: bool) -> tuple[Passage, tuple[Flow, ...]]:
        passage = self._passage(device, vrf, family, back=back)
        came_by = device.name if self.routing.asks_for(device.name) else ""
        key = (id(passage), vrf.name, came_by)
        if key not in self._from_vrf:
            visit = _Visit(self, family)
            visit.route(list(passage.through), vrf, vrf, device.name)
            self._from_vrf[key] = (*passage.ended, *visit.flows())
        return passage, self._from_vrf[key]

    def _passage(self, device: Link, vrf: Link, family: int, *, back: bool) -> Passage:
        """Prerouting, taken over from another node where everything it asked was the same there."""
        here = (device.group, device.kind, vrf.name, family, back)
        if here in self._passages:
            return self._passages[here]
        key = self._shape.key(device, vrf, family, back=back)
        for known in self.shared.passages.get(key, ()):
            if known.holds(self.program.keys):
                self._passages[here] = known
                return known
        visit = _Visit(self, family, back=back)
        through = visit.come_in(device, vrf, batch_of(every_packet(family)))
        passage = Passage(tuple(through), visit.flows(), tuple(visit.asked), visit.looked_back, visit.twice)
        if not visit.typed:
            self.shared.passages.setdefault(key, []).append(passage)
        self._passages[here] = passage
        return passage

    def arrive(
        self,
        link: str,
        packets: Box,
        *,
        mark: Intervals = NO_MARK,
        undo: Undo | None = None,
        traced: bool = False,
    ) -> tuple[Flow, ...]:
        """The same for one case, with the way of each flow (`traced`) and for answers (`undo`)."""
        visit = _Visit(self, packets.family, undo, traced)
        return visit.arrive(self._device(link), batch_of(packets, mark))

    def make(self, packets: Box, *, undo: Undo | None = None, traced: bool = False) -> tuple[Flow, ...]:
        """What becomes of packets that a process of the node sends, whatever source it bound to."""
        return _Visit(self, packets.family, undo, traced).make(batch_of(packets))

    def parted(self, flow: Flow) -> tuple[Flow, ...]:
        """A flow by VXLAN to several nodes (`remote` None) as one for each."""
        outcome = flow.outcome
        if outcome.fate is not Fate.OVERLAY or outcome.remote is not None:
            return (flow,)
        assert outcome.link is not None
        assert outcome.table is not None
        family, daddr = flow.sent.family, flow.sent.daddr
        return tuple(
            replace(
                flow,
                sent=replace(flow.sent, daddr=common),
                outcome=replace(outcome, remote=hop.remote, mac=hop.mac),
            )
            for common, hop in self.routing.hops(family, outcome.table, outcome.link, daddr)
            if hop.remote is not None
        )

    def overlay(self, device: Link, table: int, hop: Hop) -> Outcome:
        """One value for all packets that go the same way."""
        key = (device.name, table, hop)
        if key not in self._overlays:
            self._overlays[key] = Outcome(
                fate=Fate.OVERLAY,
                link=device.name,
                remote=hop.remote,
                vni=device.vni,
                mac=hop.mac,
                table=table,
            )
        return self._overlays[key]

    def _device(self, name: str) -> Link:
        device = self.node.state.links.get(name)
        if device is None:
            raise Contradiction(f"node {self.node.name} has no device {name}")
        return device


@dataclass(slots=True)
class _Visit:
    """One crossing of a node; packets gather by what became of them."""

    kernel: Kernel
    family: int
    undo: Undo | None = None
    traced: bool = False
    back: bool | None = None
    looked_back: bool = False
    twice: bool = False
    """Whether the VRF was asked, too, if it leads back to the source."""
    typed: bool = False
    asked: list[Met] = field(default_factory=list)
    ended: dict[Outcome, list[Batch]] = field(default_factory=dict)

    def arrive(self, device: Link, batch: Batch) -> tuple[Flow, ...]:
        vrf = self.kernel.routing.vrf_of(device.name)
        batches = self.come_in(device, vrf, batch)
        self.route(batches, vrf, vrf or device, device.name)
        return self.flows()

    def come_in(self, device: Link, vrf: Link | None, batch: Batch) -> list[Batch]:
        """Prerouting, on the device and on its VRF."""
        batches = self._hook(Hook.PREROUTING, [batch], iif=device, tracked=False)
        if vrf is not None and vrf is not device:
            before, self.looked_back = self.looked_back, False
            batches = self._hook(Hook.PREROUTING, self._fewer(batches), iif=vrf, translates=False)
            self.twice, self.looked_back = self.looked_back, self.looked_back or before
        return self._fewer(batches)

    def make(self, batch: Batch) -> tuple[Flow, ...]:
        """Routed, judged in output, and routed again where that changed the destination."""
        for way, routed in self._ways([batch], None, LOOPBACK):
            if way.link is None:
                self._lost(way, routed)
                continue
            device = self.kernel.routing.links.get(way.link)
            for done in self._hook(Hook.OUTPUT, routed, oif=device, tracked=False):
                if done.now[DADDR] == routed[0].now[DADDR] or len(routed) > 1:
                    self._send([done], way, None)
                    continue
                for again, moved in self._ways([done], None, LOOPBACK):
                    self._send(moved, again, None)
        return self.flows()

    def _hook(
        self,
        hook: Hook,
        batches: list[Batch],
        *,
        iif: Link | None = None,
        oif: Link | None = None,
        tracked: bool = True,
        translates: bool = True,
    ) -> list[Batch]:
        scene = Scene(self.family, hook, self.kernel.routing, iif, oif, tracked, self.traced, self.back)
        walk = Walk(self.kernel.program, scene, self._end, self.undo, translates)
        passed = walk.through(batches)
        self.looked_back = self.looked_back or scene.looked_back
        self.typed = self.typed or scene.typed
        self.asked += scene.asked
        return passed

    def _fewer(self, batches: list[Batch]) -> list[Batch]:
        return batches if self.traced else coalesce(batches)

    def _finish(self, batch: Batch, outcome: Outcome) -> None:
        self._end([batch], outcome)

    def _end(self, batches: list[Batch], outcome: Outcome) -> None:
        if batches:
            self.ended.setdefault(outcome, []).extend(batches)

    def flows(self) -> tuple[Flow, ...]:
        return tuple(
            _flow(batch, outcome) for outcome, batches in self.ended.items() for batch in self._fewer(batches)
        )

    def _ways(
        self, batches: Iterable[Batch], vrf: Link | None, input_link: str
    ) -> list[tuple[Way, list[Batch]]]:
        """Batches by where they go; each is cut at what the tables say."""
        found: dict[tuple[RouteKind, str | None, int], tuple[Way, list[Batch]]] = {}
        for batch in batches:
            ways = self.kernel.routing.decide(self.family, batch.now[DADDR], vrf, input_link)
            for way in ways:
                entry = found.setdefault((way.kind, way.link, way.table), (way, []))
                cut = batch.cut(DADDR, way.destinations)
                entry[1].append(self._told(cut, way) if self.traced else cut)
        return list(found.values())

    def _told(self, batch: Batch, way: Way) -> Batch:
        text = f"table {way.table}: {way.kind}" + (f" by {way.link}" if way.link else "")
        return batch.with_trail(Trail(batch.trail, "routing", "", text, None, way.link))

    def route(self, batches: list[Batch], vrf: Link | None, iif: Link, came_by: str) -> None:
        onward: list[Batch] = []
        here: list[Batch] = []
        for batch in batches:
            to_many, rest = _parts(batch, MULTICAST[self.family])
            here += to_many
            onward += rest
        for way, routed in self._ways(onward, vrf, came_by):
            if way.kind in _TO_THE_NODE:
                here += routed
            elif way.kind is not RouteKind.UNICAST or way.link is None:
                self._lost(way, routed)
            else:
                device = self.kernel.routing.links[way.link]
                passed = self._hook(Hook.FORWARD, routed, iif=iif, oif=device)
                self._send(passed, way, iif)
        self._deliver(here, iif)

    def _deliver(self, batches: list[Batch], iif: Link) -> None:
        self._end(self._hook(Hook.INPUT, batches, iif=iif), Outcome(fate=Fate.LOCAL))

    def _lost(self, way: Way, batches: list[Batch]) -> None:
        """The kernel answers `unreachable`, but rations its answers."""
        silent = way.kind is RouteKind.BLACKHOLE
        reason = "kernel: no route" if way.table == 0 else f"kernel: {way.kind} route in table {way.table}"
        outcome = Outcome(fate=Fate.DROPPED if silent else Fate.REFUSED, reason=reason)
        self._end(batches, outcome)

    def _send(self, batches: list[Batch], way: Way, iif: Link | None) -> None:
        """Out by a device."""
        if way.kind in _TO_THE_NODE:
            self._end(batches, Outcome(fate=Fate.LOCAL))
            return
        if way.link is None or way.kind is not RouteKind.UNICAST:
            self._lost(way, batches)
            return
        device = self.kernel.routing.links[way.link]
        left = self._hook(Hook.POSTROUTING, self._fewer(batches), iif=iif, oif=device)
        if left:
            self._leave(left, way, device)

    def _leave(self, batches: list[Batch], way: Way, device: Link) -> None:
        links, name = self.kernel.routing.links, device.name
        if not device.up:
            self._end(batches, _lost_at(name, f"{name} is down"))
        elif device.kind == "vrf":
            self._end(batches, _lost_at(name, f"routed to {name} itself, which loses it"))
        elif device.kind == "vxlan":
            for batch in batches:
                self._over(batch, way, device)
        elif device.peer is not None and device.peer in links:
            for batch in batches:
                self._cross(batch, way, device, links[device.peer])
        else:
            inside = self.kernel.routing.vrf_of(name) is not None
            self._end(batches, Outcome(fate=Fate.PORT if inside else Fate.OUTSIDE, link=name))

    def _over(self, batch: Batch, way: Way, device: Link) -> None:
        found = self.kernel.routing.hops(self.family, way.table, device.name, batch.now[DADDR])
        sent = [(common, hop) for common, hop in found if hop.remote is not None]
        for common, hop in found:
            if hop.remote is None:
                self._finish(batch.cut(DADDR, common), _lost_at(device.name, hop.why))
        if len(sent) > 1 and batch.translated >> DADDR & 1 and not self.traced:
            every = union(interval for common, _ in sent for interval in common)
            sent = [(every, Hop())]
        for common, hop in sent:
            self._finish(batch.cut(DADDR, common), self.kernel.overlay(device, way.table, hop))

    def _cross(self, batch: Batch, way: Way, device: Link, peer: Link) -> None:
        """To the other end of a pair, whose hardware address the frame must bear."""
        routing = self.kernel.routing
        found = routing.neighbours_of(self.family, way.table, device.name, batch.now[DADDR])
        for destinations, mac in found:
            cut = batch.cut(DADDR, destinations)
            if mac and mac != peer.mac:
                why = f"{device.name} addresses frames to {mac}, but {peer.name} is {peer.mac}"
                self._finish(cut, _lost_at(device.name, why))
            else:
                self._finish(cut, Outcome(fate=Fate.HOST_LINK, link=device.name, peer=peer.name, mac=mac))


def _lost_at(link: str, why: str) -> Outcome:
    return Outcome(fate=Fate.DROPPED, link=link, reason=f"kernel: {why}")


def _flow(batch: Batch, outcome: Outcome) -> Flow:
    came = batch.came_as
    return Flow(
        packets=came,
        sent=batch.leaves_as if batch.translated & _TRANSLATED else came,
        outcome=outcome,
        trail=batch.trail,
        zone=batch.zone,
        mark=batch.now[MARK],
        translated_source=bool(batch.translated & 1 << SADDR),
        translated_destination=bool(batch.translated & 1 << DADDR),
    )


def _parts(batch: Batch, daddr: Intervals) -> tuple[list[Batch], list[Batch]]:
    """Those with one of these destinations, and the others."""
    inside = batch.meet(DADDR, daddr)
    if inside is None:
        return [], [batch]
    outside = batch.without(DADDR, daddr)
    return [inside], [outside] if outside else []
