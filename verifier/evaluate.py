"""What one node's kernel does with packets: all of them at once, from one place of entry (verifier.visit)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from verifier.batch import DADDR, NO_MARK, SADDR, Batch, batch_of
from verifier.fault import Contradiction
from verifier.intervals import Intervals, subtract
from verifier.outcome import Fate, Flow
from verifier.packets import Box, any_address, every_packet
from verifier.passage import Passage, Shared, with_sources
from verifier.program import Program
from verifier.routing import Routing
from verifier.ruleset import Hook
from verifier.scene import Scene
from verifier.state import Link, Node
from verifier.visit import MULTICAST, Ground, Visit

__all__ = ["MULTICAST", "Kernel", "Undo"]


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
        self._ground = Ground(
            self.routing,
            Program(node.ruleset, self.shared.indexes),
            self.shared,
            self.shared.shape(node.ruleset),
        )
        self._alike: dict[tuple[object, ...], tuple[Flow, ...]] = {}
        self._passages: dict[tuple[object, ...], Passage] = {}
        self._from_vrf: dict[tuple[object, ...], tuple[Flow, ...]] = {}

    def partition(self, link: str, packets: Box) -> tuple[Flow, ...]:
        """What becomes of the packets that come in by a device; computed once for devices that are alike.

        The flows' `packets` are disjoint, but for those that a random choice sends either way, and make up
        what was asked.
        """
        device = self._device(link)
        vrf = self.routing.vrf_of(link)
        if vrf is not None and vrf is not device and packets == every_packet(packets.family):
            return self._of_vrf(device, vrf, packets.family)
        came_by = link if self.routing.asks_for(link) else ""
        alike = (*self._ground.shape.place(device), device.kind, device.master, came_by, packets)
        found = self._alike.get((*alike, None)) or self._alike.get((*alike, link))
        if found is None:
            visit = Visit(self._ground, packets.family)
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
            return Visit(self._ground, family).arrive(device, batch_of(every_packet(family)))
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
            visit = Visit(self._ground, family)
            visit.route(list(passage.through), vrf, vrf, device.name)
            self._from_vrf[key] = (*passage.ended, *visit.flows())
        return passage, self._from_vrf[key]

    def _passage(self, device: Link, vrf: Link, family: int, *, back: bool) -> Passage:
        """Prerouting, taken over from another node where everything it asked was the same there."""
        here = (*self._ground.shape.place(device), vrf.name, family, back)
        if here in self._passages:
            return self._passages[here]
        key = self._ground.shape.key(device, vrf, family, back=back)
        known = self.shared.passage(key, self._ground.program.keys, self.routing)
        if known is not None:
            self._passages[here] = known
            return known
        visit = Visit(self._ground, family, back=back)
        through = visit.come_in(device, vrf, batch_of(every_packet(family)))
        passage = Passage(tuple(through), visit.flows(), tuple(visit.asked), visit.looked_back, visit.twice)
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
        visit = Visit(self._ground, packets.family, undo, traced)
        return visit.arrive(self._device(link), batch_of(packets, mark))

    def make(self, packets: Box, *, undo: Undo | None = None, traced: bool = False) -> tuple[Flow, ...]:
        """What becomes of packets that a process of the node sends, whatever source it bound to."""
        return Visit(self._ground, packets.family, undo, traced).make(batch_of(packets))

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

    def _device(self, name: str) -> Link:
        device = self.node.state.links.get(name)
        if device is None:
            raise Contradiction(f"node {self.node.name} has no device {name}")
        return device
