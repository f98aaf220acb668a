"""What Git declares, as resources for server-side apply.

Every field is written, defaults too: a field that we do not own could be changed by another hand without
a conflict. What a body declares is what the file declared: parsed again, it gives the same model, however
the file wrote it (compatible kinds become ours), but for its places.

`atoll.dev/revision` is the commit that last changed the object, and `atoll.dev/origin` where the object
stood in that commit: together they stay true, so that a commit rewrites only what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from compiler.model import (
    ClusterConfig,
    Declarations,
    InfrastructurePlace,
    LabelSelector,
    Operator,
    VirtualNetwork,
    VirtualNetworkRouter,
)
from controller.cluster.objects import IN_USE, ORIGIN, RESOURCES, REVISION, ResourceKey
from kube.api import Json

CONFIG_NAME = "cluster"
"""Of the one ClusterConfig: there, whatever its file calls it, everyone finds it."""
FOREIGN_PATH = "cluster:"
"""The pseudo files of declarations that no commit has begin so."""

Source = VirtualNetwork | VirtualNetworkRouter | ClusterConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A resource that Git declares."""

    key: ResourceKey
    source: Source = field(compare=False, repr=False)
    path: str
    line: int
    labels: Mapping[str, str]
    spec: bytes
    """Canonical JSON."""
    finalizers: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def content(self) -> tuple[bytes, Mapping[str, str], tuple[str, ...], str]:
        """What is worth a request when it changes; a line that moves within its file is not."""
        return self.spec, self.labels, self.finalizers, self.path

    def body(self, revision: str) -> Json:
        """What to apply; `revision` is the commit that changed the object."""
        resource = RESOURCES[self.key.kind]
        metadata: dict[str, object] = {"name": self.key.name}
        if self.key.namespace:
            metadata["namespace"] = self.key.namespace
        if self.labels:
            metadata["labels"] = dict(self.labels)
        metadata["annotations"] = {ORIGIN: self.origin, REVISION: revision}
        if self.finalizers:
            metadata["finalizers"] = list(self.finalizers)
        return {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "spec": msgspec.json.decode(self.spec),
        }


def declared_in(
    declarations: Declarations, previous: Mapping[ResourceKey, Declared] | None = None
) -> Mapping[ResourceKey, Declared]:
    """Every resource that a commit declares, foreign ones left out; unchanged ones are `previous`'s."""
    known = previous or {}
    return {one.key: one for one in _declared(declarations, known)}


def _declared(declarations: Declarations, known: Mapping[ResourceKey, Declared]) -> Iterator[Declared]:
    sources: Iterable[Source] = (declarations.config, *declarations.networks, *declarations.routers)
    for source in sources:
        if source.origin.path.startswith(FOREIGN_PATH):
            continue
        earlier = known.get(_key(source))
        yield earlier if earlier is not None and earlier.source is source else resource_of(source)


def resource_of(source: Source) -> Declared:
    return Declared(
        key=_key(source),
        source=source,
        path=source.origin.path,
        line=source.origin.line,
        labels={} if isinstance(source, ClusterConfig) else source.labels,
        spec=msgspec.json.encode(_spec(source), order="sorted"),
        finalizers=(IN_USE,) if isinstance(source, VirtualNetwork) else (),
    )


def _key(source: Source) -> ResourceKey:
    if isinstance(source, ClusterConfig):
        return ResourceKey(kind="ClusterConfig", namespace="", name=CONFIG_NAME)
    kind = "VirtualNetwork" if isinstance(source, VirtualNetwork) else "VirtualNetworkRouter"
    return ResourceKey(kind=kind, namespace=source.name.namespace, name=source.name.name)


def _spec(source: Source) -> Json:
    match source:
        case VirtualNetwork():
            return _network(source)
        case VirtualNetworkRouter():
            return _router(source)
        case ClusterConfig():
            return _config(source)


def _network(network: VirtualNetwork) -> Json:
    spec: dict[str, object] = {
        "subnets": [str(subnet.prefix) for subnet in network.subnets],
        "infrastructure": {"services": [str(service) for service in network.infrastructure]},
        "egress": network.egress.value,
    }
    if network.allowed_namespaces is not None:
        spec["allowedNamespaces"] = _selector(network.allowed_namespaces)
    return spec


def _router(router: VirtualNetworkRouter) -> Json:
    spec: dict[str, object] = {
        "type": router.type.value,
        "virtualNetworkSelector": _selector(router.network_selector),
    }
    if router.imports:
        entries = []
        for entry in router.imports:
            selectors = {"virtualNetworkRouterSelector": _selector(entry.router_selector)}
            if entry.namespace_selector is not None:
                selectors["namespaceSelector"] = _selector(entry.namespace_selector)
            entries.append(selectors)
        spec["import"] = {"virtualNetworkRouters": entries}
    return spec


def _selector(selector: LabelSelector) -> Json:
    labels: dict[str, str] = {}
    expressions: list[Json] = []
    for requirement in selector.requirements:
        values = sorted(requirement.values)
        if requirement.operator is Operator.IN and len(values) == 1 and requirement.key not in labels:
            labels[requirement.key] = values[0]
        else:
            expression: dict[str, object] = {"key": requirement.key, "operator": requirement.operator.value}
            expressions.append({**expression, "values": values} if values else expression)
    written: dict[str, object] = {"matchLabels": labels} if labels else {}
    return {**written, "matchExpressions": expressions} if expressions else written


def _config(config: ClusterConfig) -> Json:
    return {
        "podRanges": [str(prefix) for prefix in config.pod_ranges],
        "serviceRanges": [str(prefix) for prefix in config.service_ranges],
        "nodeRanges": [str(prefix) for prefix in config.node_ranges],
        "dns": _place(config.dns),
        "api": _place(config.api),
        "blockSizeV4": config.block_size_v4,
        "blockSizeV6": config.block_size_v6,
        "numberBase": config.number_base,
        "vxlanPort": config.vxlan_port,
        "mtu": config.mtu,
        "hostLinksV4": str(config.host_links_v4),
        "hostLinksV6": str(config.host_links_v6),
        "limits": {
            "maxDeletedShare": config.limits.max_deleted_share,
            "maxNetworksPerNode": config.limits.max_networks_per_node,
            "addressWarningShare": config.limits.address_warning_share,
        },
        "confirmDeletionOf": [str(name) for name in config.confirm_deletion_of],
    }


def _place(place: InfrastructurePlace) -> Json:
    written: dict[str, object] = {}
    if place.service is not None:
        written["service"] = str(place.service)
    if place.addresses:
        written["addresses"] = [str(address) for address in place.addresses]
        written["ports"] = [{"protocol": protocol, "port": port} for protocol, port in place.ports]
    return written
