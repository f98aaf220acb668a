"""One crossing of a node: prerouting, routing, forward or input, postrouting, and out.

A packet that comes in by a device of a VRF passes prerouting twice, first on the device, then on the VRF
(l3mdev_ip_rcv). Then it is routed: to the node itself (input), or onwards (forward, postrouting). The node's
own packets are routed first, then pass output and postrouting. The kernel forwards (ip_forward is on), and
rp_filter is off on Atoll's devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from verifier.batch import DADDR, DPORT, MARK, SADDR, Batch, coalesce
from verifier.intervals import Intervals, intersect, only
from verifier.outcome import Fate, Flow, Outcome, Trail
from verifier.passage import Crossing, Shape, Shared
from verifier.program import Program
from verifier.routing import LOOPBACK, Hop, Routing, Way
from verifier.ruleset import Hook
from verifier.scene import Asked, Scene
from verifier.state import TO_THE_NODE, Link, RouteKind
from verifier.walk import Walk

MULTICAST: Final[dict[int, Intervals]] = {
    4: ((0xE0000000, 0xEFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)),
    6: ((0xFF << 120, 2**128 - 1),),
}
"""Never forwarded without a multicast router: for the node itself, if for anyone (ip_route_input)."""
_TRANSLATED: Final = 1 << SADDR | 1 << DADDR | 1 << DPORT
_FEW: Final = 64
"""Intervals of destinations; more are hardly the same on another node."""
_FEW_TO_VRF: Final = 2
"""What nobody has is the same only where it has nothing to do with blocks."""

Change = Callable[[Batch, Scene], Batch]


@dataclass(slots=True)
class Ground:
    """What a visit moves on: one node, indexed."""

    routing: Routing
    program: Program
    shared: Shared
    shape: Shape
    overlays: dict[tuple[str, int, Hop], Outcome] = field(default_factory=dict)

    def overlay(self, device: Link, table: int, hop: Hop) -> Outcome:
        """One value for all packets that go the same way."""
        key = (device.name, table, hop)
        if key not in self.overlays:
            self.overlays[key] = Outcome(
                fate=Fate.OVERLAY,
                link=device.name,
                remote=hop.remote,
                vni=device.vni,
                mac=hop.mac,
                table=table,
            )
        return self.overlays[key]


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Packets that rules cannot tell apart by the device that they leave by."""

    device: Link
    """One of those devices."""
    several: bool
    batches: list[Batch]


@dataclass(slots=True)
class Visit:
    """Packets gather by what became of them."""

    ground: Ground
    family: int
    undo: Change | None = None
    traced: bool = False
    back: bool | None = None
    """See Scene."""
    looked_back: bool = False
    twice: bool = False
    """Whether the VRF was asked, too, if it leads back to the source."""
    device_mattered: bool = False
    asked: list[Asked] = field(default_factory=list)
    ended: dict[Outcome, list[Batch]] = field(default_factory=dict)

    def arrive(self, device: Link, batch: Batch) -> tuple[Flow, ...]:
        vrf = self.ground.routing.vrf_of(device.name)
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

    def route(self, batches: list[Batch], vrf: Link | None, iif: Link, came_by: str) -> None:
        onward: list[Batch] = []
        here: list[Batch] = []
        for batch in batches:
            to_many, rest = _parts(batch, MULTICAST[self.family])
            here += to_many
            onward += rest
        local, leaving = self._ways(onward, vrf, came_by)
        for group in leaving:
            self._outward(Hook.FORWARD, group, iif)
        self._end(self._often(Hook.INPUT, here + local, iif, None), Outcome(fate=Fate.LOCAL))

    def make(self, batch: Batch) -> tuple[Flow, ...]:
        """Routed, judged in output, and routed again where that changed the destination."""
        local, leaving = self._ways([batch], None, LOOPBACK)
        loopback = self.ground.routing.links.get(LOOPBACK)
        for done in self._hook(Hook.OUTPUT, local, oif=loopback, tracked=False):
            self._end([done], Outcome(fate=Fate.LOCAL))
        for group in leaving:
            self._outward(Hook.OUTPUT, group, None)
        return self.flows()

    def flows(self) -> tuple[Flow, ...]:
        gone = {o: [batch.on_way(None) for batch in batches] for o, batches in self.ended.items()}
        return tuple(_flow(batch, o) for o, batches in gone.items() for batch in self._fewer(batches))

    def _outward(self, hook: Hook, group: _Leaving, iif: Link | None) -> None:
        """Through the last hooks and out; device by device if a rule asked for one's own addresses."""
        attempt = Visit(self.ground, self.family, self.undo, self.traced)
        attempt._through(hook, group, iif)
        if group.several and attempt.device_mattered:
            links = self.ground.routing.links
            for name, batches in _by_link(group.batches).items():
                self._through(hook, _Leaving(links[name], False, batches), iif)
            return
        self.asked += attempt.asked
        for outcome, batches in attempt.ended.items():
            self._end(batches, outcome)

    def _through(self, hook: Hook, group: _Leaving, iif: Link | None) -> None:
        out = group.device
        if hook is Hook.OUTPUT:
            passed = self._hook(hook, group.batches, oif=out, tracked=False)
            moved = [batch for batch in passed if batch.translated >> DADDR & 1]
            passed = [batch for batch in passed if not batch.translated >> DADDR & 1]
            self._reroute(moved)
        elif group.several:
            passed = self._hook(hook, group.batches, iif=iif, oif=out)
        else:
            passed = self._often(hook, group.batches, iif, out)
        left = self._hook(Hook.POSTROUTING, self._fewer(passed), iif=iif, oif=out)
        for name, batches in _by_link(left).items():
            self._leave(batches, self.ground.routing.links[name])

    def _reroute(self, batches: list[Batch]) -> None:
        if not batches:
            return
        local, leaving = self._ways(batches, None, LOOPBACK)
        self._end(local, Outcome(fate=Fate.LOCAL))
        for group in leaving:
            left = self._hook(Hook.POSTROUTING, group.batches, oif=group.device)
            for name, out in _by_link(left).items():
                self._leave(out, self.ground.routing.links[name])

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
        if not batches:
            return []
        scene = Scene(self.family, hook, self.ground.routing, iif, oif, tracked, self.traced, self.back)
        walk = Walk(self.ground.program, scene, self._end, self.undo, translates)
        passed = walk.through(batches)
        self.looked_back = self.looked_back or scene.looked_back
        self.device_mattered = self.device_mattered or scene.device_mattered
        self.asked += scene.asked
        return passed

    def _often(self, hook: Hook, batches: list[Batch], iif: Link | None, oif: Link | None) -> list[Batch]:
        """A hook that packets of a network may well meet alike on every node."""
        to_vrf = oif is not None and oif.kind == "vrf"
        ours = iif is not None and iif.kind == "vrf" and (oif is None or to_vrf or oif.peer is not None)
        few = sum(len(batch.now[DADDR]) for batch in batches) <= (_FEW_TO_VRF if to_vrf else _FEW)
        if not (ours and few and batches) or self.traced or self.undo:
            return self._hook(hook, batches, iif=iif, oif=oif)
        return self._remembered(hook, batches, iif, oif)

    def _remembered(
        self, hook: Hook, batches: list[Batch], iif: Link | None, oif: Link | None
    ) -> list[Batch]:
        """Host links lead to the same few places on every node, so what rules say there is the same."""
        seen = tuple(batch.likeness for batch in batches)
        key = (self.ground.shape.place(iif), self.ground.shape.place(oif), hook, self.family, seen)
        known = self.ground.shared.crossing(key, self.ground.program.keys, self.ground.routing)
        if known is None:
            attempt = Visit(self.ground, self.family)
            passed = attempt._hook(hook, [batch.on_way(None) for batch in batches], iif=iif, oif=oif)
            ended = tuple((outcome, tuple(some)) for outcome, some in attempt.ended.items())
            known = Crossing(tuple(passed), ended, tuple(attempt.asked))
            self.ground.shared.crossings.setdefault(key, []).append(known)
        for outcome, some in known.ended:
            self._end(list(some), outcome)
        return [batch.on_way(batches[0].way) for batch in known.through]

    def _fewer(self, batches: list[Batch]) -> list[Batch]:
        return batches if self.traced else coalesce(batches)

    def _end(self, batches: list[Batch], outcome: Outcome) -> None:
        if batches:
            self.ended.setdefault(outcome, []).extend(batches)

    def _ways(
        self, batches: Iterable[Batch], vrf: Link | None, input_link: str
    ) -> tuple[list[Batch], list[_Leaving]]:
        """What is for the node itself, and what leaves by which devices; each batch is cut accordingly."""
        local: list[Batch] = []
        groups: dict[tuple[object, ...], list[Batch]] = {}
        for batch in batches:
            for way in self.ground.routing.decide(self.family, batch.now[DADDR], vrf, input_link):
                cut = batch.cut(DADDR, way.destinations)
                cut = self._told(cut, way) if self.traced else cut
                if way.kind in TO_THE_NODE:
                    local.append(cut)
                elif way.link is None or way.kind is not RouteKind.UNICAST:
                    self._end([cut], _lost_on(way))
                else:
                    place = self._place(self.ground.routing.links[way.link])
                    groups.setdefault(place, []).append(cut.on_way(way))
        return local, [self._leaving(batches) for batches in groups.values()]

    def _place(self, device: Link) -> tuple[object, ...]:
        return (device.name,) if self.traced else (*self.ground.shape.place(device), device.kind)

    def _leaving(self, batches: list[Batch]) -> _Leaving:
        names = {batch.way.link or "" for batch in batches if batch.way}
        return _Leaving(self.ground.routing.links[min(names)], len(names) > 1, batches)

    def _told(self, batch: Batch, way: Way) -> Batch:
        text = f"table {way.table}: {way.kind}" + (f" by {way.link}" if way.link else "")
        return batch.with_trail(Trail(batch.trail, "routing", "", text, None, way.link))

    def _leave(self, batches: list[Batch], device: Link) -> None:
        links, name = self.ground.routing.links, device.name
        if not device.up:
            self._end(batches, _lost_at(name, f"{name} is down"))
        elif device.kind == "vrf":
            self._end(batches, _lost_at(name, f"routed to {name} itself, which loses it"))
        elif device.kind == "vxlan":
            for batch in batches:
                self._over(batch, device)
        elif device.peer is not None and device.peer in links:
            for batch in batches:
                self._cross(batch, device, links[device.peer])
        else:
            inside = self.ground.routing.vrf_of(name) is not None
            self._end(batches, Outcome(fate=Fate.PORT if inside else Fate.OUTSIDE, link=name))

    def _over(self, batch: Batch, device: Link) -> None:
        table = batch.way.table if batch.way else 0
        routing, daddr = self.ground.routing, batch.now[DADDR]
        if batch.translated >> DADDR & 1 and not self.traced and only(daddr) is None:
            sent = intersect(daddr, routing.sent_on(self.family, table, device.name))
            if sent == daddr:
                self._end([batch], self.ground.overlay(device, table, Hop()))
                return
        for common, hop in routing.hops(self.family, table, device.name, daddr):
            cut = batch.cut(DADDR, common)
            if hop.remote is None:
                self._end([cut], _lost_at(device.name, hop.why))
            else:
                self._end([cut], self.ground.overlay(device, table, hop))

    def _cross(self, batch: Batch, device: Link, peer: Link) -> None:
        """To the other end of a pair, whose hardware address the frame must bear."""
        table = batch.way.table if batch.way else 0
        found = self.ground.routing.neighbours_of(self.family, table, device.name, batch.now[DADDR])
        for destinations, mac in found:
            cut = batch.cut(DADDR, destinations)
            if not mac:
                why = f"no neighbour entry on {device.name} for the next hop"
                self._end([cut], _lost_at(device.name, why))
            elif mac != peer.mac:
                why = f"{device.name} addresses frames to {mac}, but {peer.name} is {peer.mac}"
                self._end([cut], _lost_at(device.name, why))
            else:
                outcome = Outcome(fate=Fate.HOST_LINK, link=device.name, peer=peer.name, mac=mac)
                self._end([cut], outcome)


def _by_link(batches: list[Batch]) -> dict[str, list[Batch]]:
    found: dict[str, list[Batch]] = {}
    for batch in batches:
        if batch.way is not None and batch.way.link is not None:
            found.setdefault(batch.way.link, []).append(batch)
    return found


def _lost_at(link: str, why: str) -> Outcome:
    return Outcome(fate=Fate.DROPPED, link=link, reason=f"kernel: {why}")


def _lost_on(way: Way) -> Outcome:
    """The kernel answers `unreachable`, but rations its answers."""
    silent = way.kind is RouteKind.BLACKHOLE
    reason = "kernel: no route" if way.table == 0 else f"kernel: {way.kind} route in table {way.table}"
    return Outcome(fate=Fate.DROPPED if silent else Fate.REFUSED, reason=reason)


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
