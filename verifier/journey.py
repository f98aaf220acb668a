"""From where a packet starts to where it ends, node by node; and the way back of what answers it.

For a judge of one node at a time, `Kernel.partition(link, box)` and `Kernel.make(box)` (verifier.evaluate)
are all there is: every packet that enters, what becomes of it, as disjoint boxes. This module joins such
crossings:

    cluster = Cluster(nodes)                                  # verifier.cluster
    journeys(cluster, Place(node="node-1", link="at..."), box)   # all packets of a box, as far as they come
    follow(cluster, place, packet)                               # one packet, each step told
    answers(cluster, journey)                                    # the packets that answer, back to the start

A journey's `packets` are those that make exactly this journey (a random choice among backends gives one
packet several). `stages` has one crossing a node and pass; `outcome` is how it ends. Connection tracking is
taken to say the same of a packet at every crossing: the zones inside and outside a host link, and those of
two nodes, see the same connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from verifier.cluster import Cluster, Place
from verifier.evaluate import Undo
from verifier.fault import Contradiction
from verifier.intervals import Intervals, intersect
from verifier.outcome import Flow, Outcome, Step
from verifier.packets import ANY_PORT, Box, Packet, Tracking, every_packet

_LONGEST: Final = 12
"""Crossings; more is a loop."""
_UNMARKED: Final[Intervals] = ((0, 0),)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One crossing of a node. The flow is cut to the packets that make the journey."""

    place: Place
    flow: Flow


@dataclass(frozen=True, kw_only=True, slots=True)
class Journey:
    stages: tuple[Stage, ...]
    outcome: Outcome

    @property
    def packets(self) -> Box:
        """As they were sent."""
        return self.stages[0].flow.packets

    @property
    def arriving(self) -> Box:
        """As they are at the end, after every translation."""
        return self.stages[-1].flow.sent

    @property
    def end(self) -> Place:
        """The last node, and the device that the packets left by."""
        last = self.stages[-1]
        return Place(node=last.place.node, link=self.outcome.link)

    @property
    def trace(self) -> tuple[tuple[str, Step], ...]:
        """Every step, with its node; empty but for `follow`."""
        return tuple((stage.place.node, step) for stage in self.stages for step in stage.flow.trace)


Cross = Callable[[int, Place, Box, Intervals], tuple[Flow, ...]]
"""The how-manieth crossing, where, which packets, their mark."""


def journeys(cluster: Cluster, start: Place, packets: Box) -> tuple[Journey, ...]:
    """All packets of a box, from a device or (link None) from a process of a node."""

    def cross(_: int, place: Place, box: Box, mark: Intervals) -> tuple[Flow, ...]:
        kernel = cluster.kernels[place.node]
        if place.link is None:
            return kernel.make(box)
        if mark != _UNMARKED:
            return kernel.arrive(place.link, box, mark=mark)
        if place == start:
            return kernel.partition(place.link, box)
        return tuple(_cuts(kernel.partition(place.link, every_packet(box.family)), box))

    return tuple(_onward(cluster, (), start, packets, _UNMARKED, cross))


def follow(cluster: Cluster, start: Place, packet: Packet) -> tuple[Journey, ...]:
    """One packet; several journeys where a choice is random."""

    def cross(_: int, place: Place, box: Box, mark: Intervals) -> tuple[Flow, ...]:
        kernel = cluster.kernels[place.node]
        if place.link is None:
            return kernel.make(box, traced=True)
        return kernel.arrive(place.link, box, mark=mark, traced=True)

    return tuple(_onward(cluster, (), start, packet.box, _UNMARKED, cross))


def _onward(
    cluster: Cluster, before: tuple[Stage, ...], place: Place, box: Box, mark: Intervals, cross: Cross
) -> Iterator[Journey]:
    if len(before) >= _LONGEST:
        raise Contradiction(f"packets go round between nodes: {[stage.place for stage in before]}")
    kernel = cluster.kernels[place.node]
    crossed = cross(len(before), place, box, mark)
    for flow in chain.from_iterable(map(kernel.parted, crossed)):
        stages = (*before, Stage(place=place, flow=flow))
        after = cluster.next(place.node, flow)
        if isinstance(after, Outcome):
            yield Journey(stages=_narrowed(stages), outcome=after)
        else:
            yield from _onward(cluster, stages, after, flow.sent, flow.mark, cross)


def _cuts(flows: tuple[Flow, ...], box: Box) -> Iterator[Flow]:
    for flow in flows:
        cut = cut_to(flow, box)
        if cut is not None:
            yield cut


def meet(one: Box, other: Box) -> Box | None:
    """The packets that are in both; None: there are none."""
    tracking = one.tracking & other.tracking
    if one.family != other.family or not tracking:
        return None
    columns = []
    for name in ("daddr", "saddr", "protocol", "dport"):
        common = intersect(getattr(one, name), getattr(other, name))
        if not common:
            return None
        columns.append(common)
    daddr, saddr, protocol, dport = columns
    return Box(family=one.family, saddr=saddr, daddr=daddr, protocol=protocol, dport=dport, tracking=tracking)


def cut_to(flow: Flow, packets: Box) -> Flow | None:
    """The flow of those of its packets that are in the box; None: there are none."""
    common = meet(flow.packets, packets)
    if common is None:
        return None
    return replace(flow, packets=common, sent=_as_sent(flow, common))


def _as_sent(flow: Flow, packets: Box) -> Box:
    """What fewer packets leave as: translated columns as they were."""
    sent = flow.sent
    return Box(
        family=sent.family,
        saddr=sent.saddr if flow.translated_source else packets.saddr,
        daddr=sent.daddr if flow.translated_destination else packets.daddr,
        protocol=packets.protocol,
        dport=sent.dport if flow.translated_destination else packets.dport,
        tracking=packets.tracking,
    )


def _narrowed(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Earlier crossings cut to what the later ones took up."""
    if len(stages) == 1:
        return stages
    result = [stages[-1]]
    wanted = stages[-1].flow.packets
    for stage in reversed(stages[:-1]):
        flow = _taken_up(stage.flow, wanted)
        result.append(replace(stage, flow=flow))
        wanted = flow.packets
    return tuple(reversed(result))


def _taken_up(flow: Flow, wanted: Box) -> Flow:
    """The flow of those packets that leave as `wanted`, which is part of what it sends."""
    came = flow.packets
    packets = Box(
        family=came.family,
        saddr=came.saddr if flow.translated_source else wanted.saddr,
        daddr=came.daddr if flow.translated_destination else wanted.daddr,
        protocol=wanted.protocol,
        dport=came.dport if flow.translated_destination else wanted.dport,
        tracking=wanted.tracking,
    )
    return replace(flow, packets=packets, sent=wanted)


def answers(cluster: Cluster, journey: Journey, *, traced: bool = False) -> tuple[Journey, ...]:
    """What becomes of the packets that answer those of a journey that arrived.

    They start where it ended, and each translation of the way there is undone where it was made. Their
    destination port is anything: the ports that clients choose are not modelled.
    """
    went = journey.arriving
    box = Box(
        family=went.family,
        saddr=went.daddr,
        daddr=went.saddr,
        protocol=went.protocol,
        dport=ANY_PORT,
        tracking=int(Tracking.REPLY),
    )
    reverse = journey.stages[::-1]

    def cross(at: int, place: Place, asked: Box, mark: Intervals) -> tuple[Flow, ...]:
        kernel = cluster.kernels[place.node]
        undo = _undo(reverse[at], place) if at < len(reverse) else None
        if place.link is None:
            return kernel.make(asked, undo=undo, traced=traced)
        return kernel.arrive(place.link, asked, mark=mark, undo=undo, traced=traced)

    return tuple(_back(cluster, journey, box, cross))


def _back(cluster: Cluster, journey: Journey, box: Box, cross: Cross) -> Iterator[Journey]:
    link = journey.outcome.link
    yield from _onward(cluster, (), Place(node=journey.end.node, link=link), box, _UNMARKED, cross)


def _undo(stage: Stage, place: Place) -> Undo | None:
    """Of the crossing on the way there that this one reverses."""
    if stage.place.node != place.node:
        return None
    flow = stage.flow
    return Undo(
        daddr=flow.packets.saddr if flow.translated_source else None,
        saddr=flow.packets.daddr if flow.translated_destination else None,
    )
