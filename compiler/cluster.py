"""The ClusterConfig from an object whose shape the schema has approved, checked against itself.

Defaults are the schema's; `tests/compiler/test_schemas.py` holds them equal to the model's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from compiler.addresses import address_of, overlap, prefix_of
from compiler.catalogue import found
from compiler.elements import Element
from compiler.model import Address, ClusterConfig, InfrastructurePlace, Limits, Prefix
from compiler.names import ObjectName
from compiler.problem import Origin, Problem

DEFAULT_DNS = InfrastructurePlace(service=ObjectName(namespace="kube-system", name="kube-dns"))
DEFAULT_API = InfrastructurePlace(service=ObjectName(namespace="default", name="kubernetes"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A range that means something in the cluster, so that no network may use it."""

    prefix: Prefix
    meaning: str
    """As in `the pod range`."""
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """The configuration and what it claims."""

    config: ClusterConfig
    claims: tuple[Claim, ...]
    confirmations: Mapping[ObjectName, Origin]
    """Where `confirmDeletionOf` names each network."""


def cluster_of(element: Element, subject: str, problems: list[Problem]) -> Cluster:
    """The cluster, with problems added where the configuration contradicts itself.

    What is unusable is left out or has its default, so that networks can be judged by the rest.
    """
    reader = _Reader(spec=element["spec"], subject=subject, problems=problems)
    config = reader.config(element.origin)
    problems += _overlaps(reader.ranges_claimed, subject)
    problems += _unreachable(reader.addresses_claimed, config, subject)
    return Cluster(
        config=config,
        claims=(*reader.ranges_claimed, *reader.addresses_claimed),
        confirmations=reader.confirmations(),
    )


class _Reader:
    """Reads the fields of one spec, noting what they claim on the way."""

    def __init__(self, *, spec: Element, subject: str, problems: list[Problem]) -> None:
        self.spec = spec
        self.subject = subject
        self.problems = problems
        self.ranges_claimed: list[Claim] = []
        self.addresses_claimed: list[Claim] = []

    def config(self, origin: Origin) -> ClusterConfig:
        default = _DEFAULTS
        return ClusterConfig(
            pod_ranges=self.ranges("podRanges", "the pod range"),
            service_ranges=self.ranges("serviceRanges", "the service range"),
            node_ranges=self.ranges("nodeRanges", "the node range"),
            dns=self.place("dns", "an address of DNS", DEFAULT_DNS),
            api=self.place("api", "an address of the API server", DEFAULT_API),
            block_size_v4=self.whole("blockSizeV4", default.block_size_v4),
            block_size_v6=self.whole("blockSizeV6", default.block_size_v6),
            number_base=self.whole("numberBase", default.number_base),
            vxlan_port=self.whole("vxlanPort", default.vxlan_port),
            mtu=self.whole("mtu", default.mtu),
            host_links_v4=IPv4Network(self.host_links("hostLinksV4", default.host_links_v4, 15)),
            host_links_v6=IPv6Network(self.host_links("hostLinksV6", default.host_links_v6, 111)),
            limits=self.limits(default.limits),
            confirm_deletion_of=tuple(self.confirmations()),
            origin=origin,
            deletions_origin=self.origin_of("confirmDeletionOf"),
            limits_origin=self.origin_of("limits"),
        )

    def origin_of(self, field: str) -> Origin | None:
        element = self.spec.get(field)
        return element.key_origin if element else None

    def whole(self, field: str, default: int) -> int:
        element = self.spec.get(field)
        return element.whole() if element else default

    def number(self, field: str, default: float) -> float:
        element = self.spec.get("limits", field)
        return element.number() if element else default

    def limits(self, default: Limits) -> Limits:
        return Limits(
            max_deleted_share=self.number("maxDeletedShare", default.max_deleted_share),
            max_networks_per_node=int(self.number("maxNetworksPerNode", default.max_networks_per_node)),
            address_warning_share=self.number("addressWarningShare", default.address_warning_share),
        )

    def confirmations(self) -> dict[ObjectName, Origin]:
        element = self.spec.get("confirmDeletionOf")
        entries = element.entries() if element else ()
        return {ObjectName.parse(entry.text(), default_namespace=""): entry.origin for entry in entries}

    def ranges(self, field: str, meaning: str) -> tuple[Prefix, ...]:
        return tuple(self._claimed(self.spec[field].entries(), meaning))

    def _claimed(self, entries: Iterable[Element], meaning: str) -> Iterator[Prefix]:
        for entry in entries:
            prefix = prefix_of(entry, self.subject, self.problems)
            if prefix:
                self.ranges_claimed.append(Claim(prefix=prefix, meaning=meaning, origin=entry.origin))
                yield prefix

    def place(self, field: str, meaning: str, default: InfrastructurePlace) -> InfrastructurePlace:
        element = self.spec.get(field)
        if element is None:
            return default
        service, ports = element.get("service"), element.get("ports")
        return InfrastructurePlace(
            service=ObjectName.parse(service.text(), default_namespace="") if service else None,
            addresses=tuple(self._addresses(element.get("addresses"), meaning)),
            ports=tuple(
                (port["protocol"].text(), port["port"].whole()) for port in (ports.entries() if ports else ())
            ),
        )

    def _addresses(self, addresses: Element | None, meaning: str) -> Iterator[Address]:
        # These are no ranges of their own: an API server is often in the node range.
        for entry in addresses.entries() if addresses else ():
            address = address_of(entry, self.subject, self.problems)
            if address is not None:
                claim = Claim(prefix=ip_network(address), meaning=meaning, origin=entry.origin)
                self.addresses_claimed.append(claim)
                yield address

    def host_links(self, field: str, default: Prefix, longest: int) -> Prefix:
        element = self.spec.get(field)
        if element is None:
            origin = self.spec.key_origin
            self.ranges_claimed.append(Claim(prefix=default, meaning=f"the default `{field}`", origin=origin))
            return default
        prefix = prefix_of(element, self.subject, self.problems)
        if prefix is None:
            return default
        if prefix.version != default.version or prefix.prefixlen > longest:
            reason = (
                f"`{field}` is {prefix}, and must be an IPv{default.version} range of /{longest} or shorter"
            )
            self.problems.append(found("ATL409", origin=element.origin, subject=self.subject, reason=reason))
            return default
        self.ranges_claimed.append(Claim(prefix=prefix, meaning="the host-link range", origin=element.origin))
        return prefix


def _overlaps(claims: Sequence[Claim], subject: str) -> Iterator[Problem]:
    for index, later in enumerate(claims):
        for earlier in claims[:index]:
            if overlap(earlier.prefix, later.prefix):
                reason = (
                    f"{later.meaning} {later.prefix} overlaps {earlier.meaning} {earlier.prefix} "
                    f"of {earlier.origin}"
                )
                yield found("ATL408", origin=later.origin, subject=subject, reason=reason)


def _unreachable(addresses: Iterable[Claim], config: ClusterConfig, subject: str) -> Iterator[Problem]:
    """A network reaches infrastructure at its endpoints; nobody listens at a Service's own address."""
    for claim in addresses:
        for prefix in config.service_ranges:
            if overlap(claim.prefix, prefix):
                reason = f"{claim.meaning}, {claim.prefix.network_address}, is in the service range {prefix}"
                remedy = "Write the name of the Service that has it as `service`, in place of the address"
                yield found("ATL408", origin=claim.origin, subject=subject, reason=reason, remedy=remedy)


_NOWHERE = InfrastructurePlace(service=None)
_DEFAULTS = ClusterConfig(
    pod_ranges=(),
    service_ranges=(),
    node_ranges=(),
    dns=_NOWHERE,
    api=_NOWHERE,
    origin=Origin(path=""),
)
