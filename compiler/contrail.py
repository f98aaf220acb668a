"""Manifests of core.contrail.juniper.net, as far as their fields have a meaning here.

`schemas/contrail/` lists what has one; every other field is named in a warning by `compiler.shape`.
A network's subnets are objects of their own there: they are joined once all files are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from compiler.catalogue import found
from compiler.declared import labels_of, name_of, subnet_of
from compiler.elements import Element
from compiler.model import Egress, Subnet, VirtualNetwork
from compiler.names import ObjectName
from compiler.problem import Origin, Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class SubnetReference:
    """A network's `v4SubnetReference` or `v6SubnetReference`."""

    name: ObjectName
    field: str
    version: int
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferencedSubnet:
    """A Subnet object. `subnet` is None where its range is not usable, which is reported once, there."""

    name: ObjectName
    subnet: Subnet | None
    origin: Origin


def network_of(element: Element) -> tuple[VirtualNetwork, tuple[SubnetReference, ...]]:
    """The network, still without subnets, and where they are."""
    spec = element["spec"]
    name = name_of(element)
    snat = spec.get("fabricSNAT")
    network = VirtualNetwork(
        name=name,
        labels=labels_of(element),
        subnets=(),
        egress=Egress.SNAT if snat and snat.value is True else Egress.NONE,
        origin=element.origin,
    )
    references = (
        _reference(spec.get(field), version, name.namespace)
        for field, version in (("v4SubnetReference", 4), ("v6SubnetReference", 6))
    )
    return network, tuple(reference for reference in references if reference is not None)


def referenced_subnet_of(element: Element, subject: str, problems: list[Problem]) -> ReferencedSubnet:
    return ReferencedSubnet(
        name=name_of(element),
        subnet=subnet_of(element["spec"]["cidr"], subject, problems),
        origin=element.origin,
    )


def joined(
    network: VirtualNetwork,
    references: tuple[SubnetReference, ...],
    targets: tuple[ReferencedSubnet | None, ...],
) -> tuple[VirtualNetwork, tuple[Problem, ...]]:
    """The network with the subnets that its references name; `targets` has one entry for each."""
    subject = f"VirtualNetwork {network.name}"
    problems: list[Problem] = []
    subnets: list[Subnet] = []
    if not references:
        reason = "the network references no Subnet, so that no pod could get an address"
        remedy = "Add `spec.v4SubnetReference` or `spec.v6SubnetReference`"
        problems.append(found("ATL206", origin=network.origin, subject=subject, reason=reason, remedy=remedy))
    for reference, target in zip(references, targets, strict=True):
        if target is None:
            reason = f"`{reference.field}` names the Subnet {reference.name}, which is not there"
            problems.append(found("ATL301", origin=reference.origin, subject=subject, reason=reason))
        elif target.subnet and target.subnet.prefix.version != reference.version:
            reason = f"`{reference.field}` names the Subnet {reference.name}, which is {target.subnet.prefix}"
            problems.append(found("ATL303", origin=reference.origin, subject=subject, reason=reason))
        elif target.subnet:
            subnets.append(target.subnet)
    return replace(network, subnets=tuple(subnets)), tuple(problems)


def unreferenced(target: ReferencedSubnet) -> Problem:
    reason = "no VirtualNetwork references the Subnet, so that it has no effect"
    return found("ATL302", origin=target.origin, subject=f"Subnet {target.name}", reason=reason)


def _reference(element: Element | None, version: int, namespace: str) -> SubnetReference | None:
    if element is None:
        return None
    named = element.get("namespace")
    return SubnetReference(
        name=ObjectName(namespace=named.text() if named else namespace, name=element["name"].text()),
        field=element.field,
        version=version,
        origin=element.key_origin,
    )
