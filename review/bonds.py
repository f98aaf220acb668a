"""Pairs of networks that begin or cease to talk, gathered by what made the difference.

A pair's cause is the routers that connect it. What *made the difference* is narrower: of these routers and
of the two networks, those that differ between the two states, and of them the lines that differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from compiler.model import Declarations, VirtualNetwork, VirtualNetworkRouter
from compiler.names import ObjectName
from compiler.problem import Origin
from compiler.reachability import Pair
from compiler.routers import Cause
from review.lines import Comparison
from review.model import Bond, Line

_NOWHERE = Origin(path="")
MANY = 20
"""So many lines for one bond are enough."""


def bonds(
    pairs: Iterable[Pair], before: Declarations | None, after: Declarations | None, comparison: Comparison
) -> tuple[Bond, ...]:
    """One for each set of causes and each set of objects that made the difference."""
    differing = Differing(before, after)
    gathered: dict[tuple[tuple[Cause, ...], tuple[str, ...]], list[Pair]] = {}
    for pair in pairs:
        gathered.setdefault((pair.causes, tuple(_makers(pair, differing))), []).append(pair)
    return tuple(
        _bond(some, causes, makers, comparison)
        for (causes, makers), some in sorted(gathered.items(), key=_first_pair)
    )


def _first_pair(
    item: tuple[tuple[tuple[Cause, ...], tuple[str, ...]], list[Pair]],
) -> tuple[ObjectName, ObjectName]:
    return item[1][0].left, item[1][0].right


def _bond(pairs: list[Pair], causes: tuple[Cause, ...], makers: tuple[str, ...], lines: Comparison) -> Bond:
    networks = sorted({name for pair in pairs for name in (pair.left, pair.right)})
    return Bond(
        networks=tuple(map(str, networks)),
        pairs=tuple((str(pair.left), str(pair.right)) for pair in pairs),
        routers=tuple(str(name) for name in sorted({name for cause in causes for name in cause.routers})),
        causes=tuple(map(str, causes)),
        lines=tuple(_lines(makers, lines)),
    )


def _lines(makers: tuple[str, ...], comparison: Comparison) -> Iterator[Line]:
    count = 0
    for maker in makers:
        for line in comparison.lines(maker):
            count += 1
            if count > MANY:
                return
            yield line


def _makers(pair: Pair, differing: Differing) -> Iterator[str]:
    """Routers first, for they say who talks; networks where no router differs, or they are new."""
    routers = sorted({router for cause in pair.causes for router in cause.routers})
    makers = [f"VirtualNetworkRouter {name}" for name in routers if name in differing.routers]
    yield from makers
    for name in (pair.left, pair.right):
        if name in differing.networks and (not makers or name in differing.unstable):
            yield f"VirtualNetwork {name}"


class Differing:
    """Objects of two states that say something else about who talks."""

    def __init__(self, before: Declarations | None, after: Declarations | None) -> None:
        self.routers = _differing(_routers(before), _routers(after))
        old, new = _labels(before), _labels(after)
        self.networks = _differing(old, new)
        self.unstable = frozenset(old.keys() ^ new.keys())
        """Networks that are new or gone."""


def _differing(old: Mapping[ObjectName, object], new: Mapping[ObjectName, object]) -> frozenset[ObjectName]:
    return frozenset(name for name in {**old, **new} if old.get(name) != new.get(name))


def _routers(declarations: Declarations | None) -> Mapping[ObjectName, VirtualNetworkRouter]:
    routers = declarations.routers if declarations else ()
    return {router.name: _without_places(router) for router in routers}


def _without_places(router: VirtualNetworkRouter) -> VirtualNetworkRouter:
    imports = tuple(replace(entry, origin=_NOWHERE) for entry in router.imports)
    return replace(router, origin=_NOWHERE, imports=imports)


def _labels(declarations: Declarations | None) -> Mapping[ObjectName, Mapping[str, str]]:
    networks: tuple[VirtualNetwork, ...] = declarations.networks if declarations else ()
    return {network.name: dict(network.labels) for network in networks}
