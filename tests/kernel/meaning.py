"""What declarations mean, in the plainest words: the tests' own reading of the rules, not the compiler's.

Quadratic and proud of it. Kernel tests compare packets with this, so that a mistake of the compiler
cannot hide in its own expectation.
"""

from __future__ import annotations

from collections.abc import Mapping

from compiler.model import Declarations, RouterType, VirtualNetworkRouter
from compiler.names import ObjectName

Labels = Mapping[str, Mapping[str, str]]
"""Labels of each namespace."""

TALKING = {
    (RouterType.MESH, RouterType.MESH),
    (RouterType.HUB, RouterType.SPOKE),
    (RouterType.SPOKE, RouterType.HUB),
}
"""What two routers that import each other do for their networks."""


def may_talk(declarations: Declarations, namespaces: Labels, one: ObjectName, other: ObjectName) -> bool:
    if one == other:
        return True
    routers = declarations.routers
    of_one = [router for router in routers if one in networks_of(declarations, router)]
    of_other = [router for router in routers if other in networks_of(declarations, router)]
    same_mesh = any(router.type is RouterType.MESH and router in of_other for router in of_one)
    return same_mesh or any(
        left is not right
        and (left.type, right.type) in TALKING
        and imports(left, right, namespaces)
        and imports(right, left, namespaces)
        for left in of_one
        for right in of_other
    )


def networks_of(declarations: Declarations, router: VirtualNetworkRouter) -> set[ObjectName]:
    return {
        network.name
        for network in declarations.networks
        if network.name.namespace == router.name.namespace and router.network_selector.matches(network.labels)
    }


def imports(router: VirtualNetworkRouter, other: VirtualNetworkRouter, namespaces: Labels) -> bool:
    for wanted in router.imports:
        namespace = other.name.namespace
        in_place = (
            wanted.namespace_selector.matches(namespaces[namespace])
            if wanted.namespace_selector
            else namespace == router.name.namespace
        )
        if in_place and wanted.router_selector.matches(other.labels):
            return True
    return False
