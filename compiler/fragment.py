"""What one file declares. It depends on nothing but the file, so that an unchanged file is read once."""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler import contrail, declared
from compiler.catalogue import found
from compiler.cluster import Cluster, cluster_of
from compiler.contrail import ReferencedSubnet, SubnetReference
from compiler.elements import Element
from compiler.kinds import Kind, kind_of, objects_of, subject_of
from compiler.model import VirtualNetwork, VirtualNetworkRouter
from compiler.names import ObjectName
from compiler.problem import Origin, Problem, Severity, in_reading_order
from compiler.shape import shape_problems
from compiler.yaml_text import read

MAX_ERRORS = 100
MAX_WARNINGS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """An object that a file names, whether or not it could be understood."""

    kind: str
    name: ObjectName
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkDraft:
    """A network; one of core.contrail.juniper.net still has to be joined with its subnets."""

    network: VirtualNetwork
    references: tuple[SubnetReference, ...] | None = None
    """None: the network has its subnets itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterDraft:
    """A ClusterConfig; `cluster` is None where it could not be understood."""

    cluster: Cluster | None
    subject: str
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Fragment:
    """The objects and problems of one file."""

    networks: tuple[NetworkDraft, ...]
    routers: tuple[VirtualNetworkRouter, ...]
    clusters: tuple[ClusterDraft, ...]
    subnets: tuple[ReferencedSubnet, ...]
    sightings: tuple[Sighting, ...]
    problems: tuple[Problem, ...]
    certain: bool
    """False where something could not be read at all, so that absence elsewhere proves nothing."""


def fragment_of(path: str, content: bytes) -> Fragment:
    """Everything that the file declares, and everything wrong with it that the file alone shows."""
    text = read(path, content)
    reader = _Reader(problems=list(text.problems), certain=text.complete)
    for document in text.documents:
        if document.sound:
            for element in objects_of(document):
                reader.object(element)
        else:
            reader.certain = False
    return Fragment(
        networks=tuple(reader.networks),
        routers=tuple(reader.routers),
        clusters=tuple(reader.clusters),
        subnets=tuple(reader.subnets),
        sightings=tuple(reader.sightings),
        problems=_listed(path, reader.problems),
        certain=reader.certain,
    )


def _listed(path: str, problems: list[Problem]) -> tuple[Problem, ...]:
    """The problems in reading order, and a problem of its own for those beyond the limits."""
    ordered = in_reading_order(problems)
    errors = [problem for problem in ordered if problem.severity is Severity.ERROR]
    warnings = [problem for problem in ordered if problem.severity is Severity.WARNING]
    kept = [*errors[:MAX_ERRORS], *warnings[:MAX_WARNINGS]]
    for code, hidden in (("ATL116", len(errors) - MAX_ERRORS), ("ATL120", len(warnings) - MAX_WARNINGS)):
        if hidden > 0:
            reason = f"{hidden:,} more in this file are not listed"
            kept.append(found(code, origin=Origin(path=path), subject=path, reason=reason))
    return in_reading_order(kept)


@dataclass(kw_only=True, slots=True)
class _Reader:
    """Collects the objects of one file."""

    problems: list[Problem]
    certain: bool
    networks: list[NetworkDraft] = field(default_factory=list)
    routers: list[VirtualNetworkRouter] = field(default_factory=list)
    clusters: list[ClusterDraft] = field(default_factory=list)
    subnets: list[ReferencedSubnet] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)

    def object(self, element: Element) -> None:
        kind = kind_of(element)
        if isinstance(kind, Problem):
            self.problems.append(kind)
            self.certain = self.certain and kind.severity is Severity.WARNING
        elif kind is not None:
            subject = subject_of(element, kind.name)
            name = self._sighted(element, kind)
            wrong = shape_problems(element, group=kind.group, kind=kind.name, subject=subject)
            self.problems += wrong
            if any(problem.severity is Severity.ERROR for problem in wrong):
                self._misshapen(element, kind, subject, name)
            else:
                self._understood(element, kind, subject)

    def _sighted(self, element: Element, kind: Kind) -> ObjectName | None:
        namespace, name = element.get("metadata", "namespace"), element.get("metadata", "name")
        if not namespace or not name:
            return None
        if not isinstance(namespace.value, str) or not isinstance(name.value, str):
            return None
        sighted = ObjectName(namespace=namespace.value, name=name.value)
        self.sightings.append(Sighting(kind=kind.name, name=sighted, origin=element.origin))
        return sighted

    def _misshapen(self, element: Element, kind: Kind, subject: str, name: ObjectName | None) -> None:
        """What may still be concluded: that the object is there."""
        if kind.name == "ClusterConfig":
            self.clusters.append(ClusterDraft(cluster=None, subject=subject, origin=element.origin))
        elif name is None:
            self.certain = False
        elif kind.name == "Subnet":
            self.subnets.append(ReferencedSubnet(name=name, subnet=None, origin=element.origin))
        elif kind.name == "VirtualNetwork" and kind.compatible:
            self.certain = False

    def _understood(self, element: Element, kind: Kind, subject: str) -> None:
        match kind.name:
            case "VirtualNetwork" if kind.compatible:
                network, references = contrail.network_of(element)
                self.networks.append(NetworkDraft(network=network, references=references))
            case "VirtualNetwork":
                network = declared.network_of(element, subject, self.problems)
                self.networks.append(NetworkDraft(network=network))
            case "VirtualNetworkRouter":
                self.routers.append(declared.router_of(element))
            case "Subnet":
                self.subnets.append(contrail.referenced_subnet_of(element, subject, self.problems))
            case "ClusterConfig":
                cluster = cluster_of(element, subject, self.problems)
                self.clusters.append(ClusterDraft(cluster=cluster, subject=subject, origin=element.origin))
