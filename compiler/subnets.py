"""A network's subnets against each other and against the cluster.

Plain integers: `ipaddress` takes a hundred times as long to compare, and a repository has thousands of
subnets. Overlap between networks is not judged here: it depends on who may talk to whom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.catalogue import found
from compiler.cluster import Claim, Cluster
from compiler.model import Prefix, Subnet, VirtualNetwork
from compiler.problem import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The first and last address of a prefix, with its family."""

    version: int
    first: int
    last: int

    def meets(self, other: Span) -> bool:
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def span_of(prefix: Prefix) -> Span:
    first = int(prefix.network_address)
    return Span(version=prefix.version, first=first, last=first + prefix.num_addresses - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What networks must keep clear of, and the size of blocks; made once for each ClusterConfig."""

    claims: tuple[tuple[Span, Claim], ...]
    block_sizes: tuple[int, int]
    """For IPv4 and for IPv6."""


def ground_of(cluster: Cluster) -> Ground:
    return Ground(
        claims=tuple((span_of(claim.prefix), claim) for claim in cluster.claims),
        block_sizes=(cluster.config.block_size_v4, cluster.config.block_size_v6),
    )


def subnet_problems(network: VirtualNetwork, ground: Ground | None) -> tuple[Problem, ...]:
    """Overlaps inside the network and, if the cluster is known, with it; subnets that hold no block."""
    subject = f"VirtualNetwork {network.name}"
    spans = [(span_of(subnet.prefix), subnet) for subnet in network.subnets]
    problems = list(_overlaps_inside(spans, subject))
    if ground is not None:
        for span, subnet in spans:
            problems += _overlaps_with(ground, span, subnet, subject)
            problems += _too_small(ground, subnet, subject)
    return tuple(problems)


def _overlaps_inside(spans: list[tuple[Span, Subnet]], subject: str) -> Iterator[Problem]:
    for index, (span, subnet) in enumerate(spans):
        for other, earlier in spans[:index]:
            if span.meets(other):
                reason = f"the subnet {subnet.prefix} overlaps {earlier.prefix} of {earlier.origin}"
                yield found("ATL405", origin=subnet.origin, subject=subject, reason=reason)


def _overlaps_with(ground: Ground, span: Span, subnet: Subnet, subject: str) -> Iterator[Problem]:
    for claimed, claim in ground.claims:
        if span.meets(claimed):
            what = claim.prefix.network_address if claim.prefix.num_addresses == 1 else claim.prefix
            reason = f"the subnet {subnet.prefix} overlaps {claim.meaning} {what} of {claim.origin}"
            yield found("ATL406", origin=subnet.origin, subject=subject, reason=reason)


def _too_small(ground: Ground, subnet: Subnet, subject: str) -> Iterator[Problem]:
    version = subnet.prefix.version
    size = ground.block_sizes[0] if version == 4 else ground.block_sizes[1]
    if subnet.prefix.prefixlen > size:
        field = f"blockSizeV{version}"
        reason = f"the subnet {subnet.prefix} is smaller than a block, which has /{size} (`{field}`)"
        remedy = f"Choose a subnet of /{size} or shorter, or a longer `{field}` in the ClusterConfig"
        yield found("ATL407", origin=subnet.origin, subject=subject, reason=reason, remedy=remedy)
