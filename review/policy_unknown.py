"""Pairs that a change may connect where nobody knows the labels of namespaces.

Without an inventory a namespace has only its name's label, so an import that asks for others selects
nothing. A guard must not be deaf to that: such selectors are taken as open, and what then differs counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compiler.label_index import NAME_LABEL
from compiler.model import Declarations, LabelSelector, RouterImport, VirtualNetworkRouter
from compiler.names import ObjectName
from compiler.reachability import Pair, changes, reachability_of
from compiler.resolve import resolve


def uncertain_pairs(before: Declarations, after: Declarations) -> tuple[Pair, ...]:
    """Pairs that may be gained, beside those that are for certain, by name."""
    old, new = _opened(before), _opened(after)
    if old is before and new is after:
        return ()
    certain = {(pair.left, pair.right) for pair in _gained(before, after)}
    earlier = {(pair.left, pair.right): _routers(pair) for pair in _gained(_without_routers(old), old)}
    altered = _altered(before, after)
    return tuple(
        pair
        for pair in _gained(before, new)
        if (pair.left, pair.right) not in certain
        and any(
            routers not in earlier.get((pair.left, pair.right), ()) or altered & routers
            for routers in _routers(pair)
        )
    )


def _routers(pair: Pair) -> frozenset[frozenset[ObjectName]]:
    """Those of each cause."""
    return frozenset(frozenset(cause.routers) for cause in pair.causes)


def _gained(before: Declarations, after: Declarations) -> tuple[Pair, ...]:
    reach = [reachability_of(side, resolve(side, {})) for side in (before, after)]
    return changes(*reach).gained


def _without_routers(declarations: Declarations) -> Declarations:
    return replace(declarations, routers=())


def _opened(declarations: Declarations) -> Declarations:
    """With every selector that asks for unknown labels open; the same object where none does."""
    routers = tuple(map(_opened_router, declarations.routers))
    return declarations if routers == declarations.routers else replace(declarations, routers=routers)


def _opened_router(router: VirtualNetworkRouter) -> VirtualNetworkRouter:
    return replace(router, imports=tuple(map(_opened_import, router.imports)))


def _opened_import(entry: RouterImport) -> RouterImport:
    selector = entry.namespace_selector
    if selector is None or all(one.key == NAME_LABEL for one in selector.requirements):
        return entry
    known = tuple(one for one in selector.requirements if one.key == NAME_LABEL)
    return replace(entry, namespace_selector=LabelSelector(requirements=known))


def _altered(before: Declarations, after: Declarations) -> frozenset[ObjectName]:
    """Routers that say something else than before, wherever they stand."""
    old = _said(before)
    return frozenset(name for name, said in _said(after).items() if old.get(name) != said)


def _said(declarations: Declarations) -> Mapping[ObjectName, object]:
    return {
        router.name: (
            router.type,
            dict(router.labels),
            router.network_selector,
            [(entry.router_selector, entry.namespace_selector) for entry in router.imports],
        )
        for router in declarations.routers
    }
