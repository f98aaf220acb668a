"""Networks and routers from objects whose shape the schema has approved."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.addresses import SUBNET, prefix_of
from compiler.elements import Element
from compiler.model import (
    DEFAULT_INFRASTRUCTURE,
    Egress,
    InfrastructureKeyword,
    InfrastructureService,
    RouterImport,
    RouterType,
    Subnet,
    VirtualNetwork,
    VirtualNetworkRouter,
)
from compiler.names import ObjectName
from compiler.problem import Problem
from compiler.selectors import optional_selector_of, selector_of


def network_of(element: Element, subject: str, problems: list[Problem]) -> VirtualNetwork:
    """The network; a subnet that is not usable is left out, and a problem added for it."""
    spec = element["spec"]
    egress = spec.get("egress")
    return VirtualNetwork(
        name=name_of(element),
        labels=labels_of(element),
        subnets=tuple(
            subnet
            for entry in spec["subnets"].entries()
            if (subnet := subnet_of(entry, subject, problems)) is not None
        ),
        allowed_namespaces=optional_selector_of(spec.get("allowedNamespaces")),
        infrastructure=_infrastructure(spec.get("infrastructure", "services")),
        egress=Egress(egress.text()) if egress else Egress.NONE,
        origin=element.origin,
    )


def subnet_of(element: Element, subject: str, problems: list[Problem]) -> Subnet | None:
    prefix = prefix_of(element, subject, problems, lengths=SUBNET)
    return Subnet(prefix=prefix, origin=element.origin) if prefix else None


def router_of(element: Element) -> VirtualNetworkRouter:
    """The router, of our own group or of the compatible one: their fields are the same."""
    spec = element["spec"]
    imports = spec.get("import", "virtualNetworkRouters")
    return VirtualNetworkRouter(
        name=name_of(element),
        labels=labels_of(element),
        type=RouterType(spec["type"].text()),
        network_selector=selector_of(spec["virtualNetworkSelector"]),
        imports=tuple(_import(entry) for entry in (imports.entries() if imports else ())),
        origin=element.origin,
    )


def name_of(element: Element) -> ObjectName:
    metadata = element["metadata"]
    return ObjectName(namespace=metadata["namespace"].text(), name=metadata["name"].text())


def labels_of(element: Element) -> Mapping[str, str]:
    labels = element.get("metadata", "labels")
    return labels.pairs() if labels else {}


def _import(entry: Element) -> RouterImport:
    return RouterImport(
        router_selector=selector_of(entry["virtualNetworkRouterSelector"]),
        namespace_selector=optional_selector_of(entry.get("namespaceSelector")),
        origin=entry.origin,
    )


def _infrastructure(services: Element | None) -> tuple[InfrastructureService, ...]:
    if services is None:
        return DEFAULT_INFRASTRUCTURE
    return tuple(_service(entry.text()) for entry in services.entries())


def _service(text: str) -> InfrastructureService:
    if "/" in text:
        return ObjectName.parse(text, default_namespace="")
    return InfrastructureKeyword(text)
