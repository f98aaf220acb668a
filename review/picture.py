"""The graph that a reader looks at: what changes, its neighbours, and no more than an eye takes in.

Many pairs of one cause are drawn as what they are: networks around a router.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from compiler.reachability import Reachability
from review.headline import counted
from review.model import Arrival, Bearing, Bond, Picture, PictureEdge, PictureNode, Setting, Standing

MAX_NODES: Final = 24
MAX_EDGES: Final = 60
AROUND_A_ROUTER: Final = 6
"""More pairs of one cause than these become a router with its networks around it."""
ENOUGH: Final = 6
OUTSIDE: Final = "outside the cluster"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a picture is drawn from."""

    added: tuple[Arrival, ...]
    removed: tuple[Arrival, ...]
    gained: tuple[Bond, ...]
    lost: tuple[Bond, ...]
    settings: tuple[Setting, ...]
    after: Reachability


@dataclass(kw_only=True, slots=True)
class _Canvas:
    nodes: dict[str, PictureNode] = field(default_factory=dict)
    edges: dict[tuple[str, str], PictureEdge] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    edges_left_out: set[tuple[str, str]] = field(default_factory=set)

    def node(self, name: str, kind: str, standing: Standing) -> bool:
        """Whether there is a place for it."""
        if name in self.nodes:
            return True
        if len(self.nodes) >= MAX_NODES:
            self.left_out.add(name)
            return False
        self.nodes[name] = PictureNode(name=name, kind=kind, standing=standing)
        return True

    def edge(self, left: str, right: str, standing: Standing, *, directed: bool = False) -> None:
        if left not in self.nodes or right not in self.nodes or (left, right) in self.edges:
            return
        if len(self.edges) < MAX_EDGES:
            self.edges[left, right] = PictureEdge(
                left=left, right=right, standing=standing, directed=directed
            )
        elif standing is not Standing.STAYS:
            self.edges_left_out.add((left, right))

    def has_room_for(self, networks: tuple[str, ...]) -> bool:
        """Of a router's networks: for all, or for enough to see what it is."""
        free = MAX_NODES - len(self.nodes) - 1
        return free >= min(sum(name not in self.nodes for name in networks), ENOUGH)

    def joins(self, left: str, right: str) -> bool:
        return (left, right) in self.edges or (right, left) in self.edges


def picture_of(shown: Shown) -> Picture:
    """Empty where nothing that can be drawn changes."""
    canvas = _Canvas()
    standings = {one.network: Standing.NEW for one in shown.added}
    standings |= {one.network: Standing.GONE for one in shown.removed}
    for bonds, standing in ((shown.gained, Standing.NEW), (shown.lost, Standing.GONE)):
        for bond in bonds:
            _draw_bond(canvas, bond, standing, standings)
    for network, standing in standings.items():
        canvas.node(network, "network", standing)
    for setting in shown.settings:
        _draw_setting(canvas, setting, standings)
    if canvas.nodes:
        _draw_neighbours(canvas, shown.after, standings)
    return Picture(
        nodes=tuple(canvas.nodes.values()),
        edges=tuple(canvas.edges.values()),
        left_out=len(canvas.left_out),
        edges_left_out=len(canvas.edges_left_out),
    )


def remarks(picture: Picture) -> tuple[str, ...]:
    """What the picture does not have, in clauses without a full stop."""
    found = []
    if picture.left_out:
        found.append(f"{picture.left_out:,} more are left out of the picture")
    if picture.edges_left_out:
        found.append(f"{counted(picture.edges_left_out, 'new or gone edge')} more are not drawn")
    return tuple(found)


def _draw_bond(canvas: _Canvas, bond: Bond, standing: Standing, standings: dict[str, Standing]) -> None:
    if len(bond.pairs) > AROUND_A_ROUTER:
        if not canvas.has_room_for(bond.networks):
            canvas.left_out.update(bond.networks)
            return
        router = _router_name(bond)
        canvas.node(router, "router", standing)
        for network in bond.networks:
            if canvas.node(network, "network", standings.get(network, Standing.STAYS)):
                canvas.edge(router, network, standing)
        return
    for left, right in bond.pairs:
        for network in (left, right):
            canvas.node(network, "network", standings.get(network, Standing.STAYS))
        canvas.edge(left, right, standing)


def _router_name(bond: Bond) -> str:
    return "routers " + " and ".join(bond.routers) if len(bond.routers) > 1 else f"router {bond.routers[0]}"


def _draw_setting(canvas: _Canvas, setting: Setting, standings: dict[str, Standing]) -> None:
    kind, _, network = setting.object.partition(" ")
    if kind != "VirtualNetwork" or setting.what not in ("egress", "infrastructure"):
        return
    if not canvas.node(network, "network", standings.get(network, Standing.STAYS)):
        return
    if setting.what == "egress":
        standing = Standing.GONE if setting.bearing is Bearing.CUTS else Standing.NEW
        canvas.node(OUTSIDE, "outside", Standing.STAYS)
        canvas.edge(network, OUTSIDE, standing, directed=True)
        return
    before, after = frozenset(setting.before), frozenset(setting.after)
    for entries, standing in ((after - before, Standing.NEW), (before - after, Standing.GONE)):
        for entry in sorted(entries):
            canvas.node(entry, "service", Standing.STAYS)
            canvas.edge(network, entry, standing, directed=True)


def _draw_neighbours(canvas: _Canvas, after: Reachability, standings: dict[str, Standing]) -> None:
    """Edges that stay, between what is there already and, while there is room, to neighbours."""
    drawn = [name for name, node in canvas.nodes.items() if node.kind == "network"]
    known = {str(network.name): network for network in after.networks}
    around = _around_routers(canvas)
    for name in drawn:
        peers = [str(peer.name) for peer in known[name].peers] if name in known else []
        for peer in peers:
            left, right = min(name, peer), max(name, peer)
            if frozenset((name, peer)) in around or canvas.joins(left, right):
                continue
            if canvas.node(peer, "network", standings.get(peer, Standing.STAYS)):
                canvas.edge(left, right, Standing.STAYS)


def _around_routers(canvas: _Canvas) -> frozenset[frozenset[str]]:
    """Pairs that a router in the picture connects already."""
    members: dict[str, list[str]] = {}
    for edge in canvas.edges.values():
        if canvas.nodes[edge.left].kind == "router":
            members.setdefault(edge.left, []).append(edge.right)
    return frozenset(_pairs(members.values()))


def _pairs(groups: Iterable[list[str]]) -> Iterator[frozenset[str]]:
    for names in groups:
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                yield frozenset((one, other))
