"""Why A may reach B, or may not, by what is declared and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from compiler.inventory import Pod
from compiler.model import VirtualNetwork
from compiler.names import DEFAULT_NETWORK, NetworkNumber, ObjectName
from compiler.resolve import Resolution, resolve
from review import explain_remedies as remedies
from review.explain_answer import Reason, Remedy
from review.explain_ends import End, EndKind
from verifier.due import Claim, Due
from verifier.meaning import Meaning
from verifier.seating import Outside

_MAY = frozenset({Due.BLOCK, Due.SERVICE, Due.INFRASTRUCTURE, Due.EGRESS, Due.UNTOUCHED})
_FEW = 3
"""So many networks behind a Service get a remedy each."""


@dataclass(kw_only=True, slots=True)
class Declared:
    may: bool
    reasons: list[Reason] = field(default_factory=list)
    remedies: list[Remedy] = field(default_factory=list)

    def because(self, what: str, *networks: VirtualNetwork) -> None:
        places = tuple(network.origin.place for network in networks)
        self.reasons.append(Reason(what=what, places=places))


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    meaning: Meaning
    resolution: Resolution

    @staticmethod
    def of(meaning: Meaning) -> Judge:
        namespaces = meaning.seats.inventory.namespaces
        return Judge(meaning=meaning, resolution=resolve(meaning.declarations, namespaces))

    def declared(self, source: End, target: End, claims: Iterable[Claim], where: tuple[str, int]) -> Declared:
        """`claims`: what is due to the packets in question, for each family; `where`: protocol and port."""
        dues = {claim.due for claim in claims}
        for end in (source, target):
            if end.seat is Outside.WAITING and end.pod is not None:
                return self._waiting(end.pod)
        if source.network is None:
            return self._from_outside(source, target, dues)
        if target.network is not None:
            return self._between(source, target)
        declared = Declared(may=bool(dues) and dues <= _MAY)
        network = self._network(source.network)
        if target.service is not None:
            self._of_service(declared, network, target, where)
        elif declared.may:
            self._let_out(declared, network, target, dues)
        else:
            self._kept_in(declared, network, target, where)
        return declared

    def _network(self, name: ObjectName) -> VirtualNetwork:
        return self.meaning.seats.networks[name]

    def _between(self, source: End, target: End) -> Declared:
        assert source.network is not None
        assert target.network is not None
        one, other = self._network(source.network), self._network(target.network)
        declared = Declared(may=self.meaning.talking.may_talk(one.name, other.name))
        if target.kind is EndKind.ADDRESS:
            declared.may = False
            self._nobodys(declared, target, other)
        self._talk(declared, one, other)
        return declared

    def _nobodys(self, declared: Declared, target: End, network: VirtualNetwork) -> None:
        what = f"no pod has the address {target.name}; it lies in a block of {network.name}"
        declared.because(what, network)

    def _talk(self, declared: Declared, one: VirtualNetwork, other: VirtualNetwork) -> None:
        if one.name == other.name:
            declared.because(f"both are on network {one.name}", one)
            return
        causes = self.resolution.causes(one.name, other.name)
        for cause in causes:
            places = tuple(origin.place for origin in cause.origins)
            declared.reasons.append(
                Reason(what=f"networks {one.name} and {other.name} talk by {cause}", places=places)
            )
        if causes:
            return
        declared.because(f"no router lets networks {one.name} and {other.name} talk", one, other)
        declared.reasons.extend(self._nearly(one.name, other.name))
        declared.remedies.append(remedies.between(self.meaning, one, other))

    def _nearly(self, one: ObjectName, other: ObjectName) -> Iterator[Reason]:
        peers = self.meaning.talking.peers
        for common in sorted(peers[one] & peers[other])[:_FEW]:
            yield Reason(what=f"both talk to {common}, but talking is not transitive")
        for some in self.resolution.waiting:
            if {some.importer.namespace, some.awaited.namespace} == {one.namespace, other.namespace}:
                yield Reason(what=str(some), places=(some.origin.place, some.awaited_origin.place))

    def _from_outside(self, source: End, target: End, dues: set[Due]) -> Declared:
        if target.network is None:
            declared = Declared(may=bool(dues) and dues <= _MAY)
            if not declared.may:
                declared.because("its endpoints are in networks, so it is closed to everyone outside them")
                if source.pod is not None and target.service is not None:
                    declared.remedies += self._joined_behind(target.service.name, source.pod.name)
            elif Due.SERVICE in dues:
                declared.because("it has endpoints in the default network as well, which answer there")
            else:
                declared.because(
                    "neither end is on a network of Atoll, which leaves such packets as they are"
                )
            return declared
        network = self._network(target.network)
        declared = Declared(may=source.kind is EndKind.NODE and source.node == target.node)
        if target.kind is EndKind.ADDRESS:
            declared.may = False
            self._nobodys(declared, target, network)
        elif declared.may:
            declared.because("processes of a node reach its own pods, as the kubelet's probes must")
        else:
            declared.because(
                f"nothing outside network {network.name} and its peers reaches its pods", network
            )
            if source.pod is not None:
                declared.remedies += self._joined(network, source.pod.name)
        return declared

    def _joined(self, network: VirtualNetwork, pod: ObjectName) -> Iterator[Remedy]:
        yield remedies.joining(network, pod)
        allowed = network.allowed_namespaces
        spaces = self.meaning.seats.inventory.namespaces
        labels = spaces[pod.namespace].labels if pod.namespace in spaces else {}
        if pod.namespace != network.name.namespace and not (allowed and allowed.matches(labels)):
            yield remedies.admitting(network, pod.namespace)

    def _joined_behind(self, service: ObjectName, pod: ObjectName) -> Iterator[Remedy]:
        behind = {
            backing.network
            for offered in self.meaning.services.ports
            if offered.service == service
            for backing in offered.backings
        }
        for number in sorted(behind - {DEFAULT_NETWORK})[:1]:
            yield from self._joined(self.meaning.networks[number].declared, pod)

    def _waiting(self, pod: Pod) -> Declared:
        declared = Declared(may=False)
        home = self.meaning.seats.inventory.namespaces.get(pod.name.namespace)
        written = pod.network or (home.network if home else None)
        if pod.node is None or written is None:
            declared.because(f"pod {pod.name} is on no node yet, so it has no address")
            return declared
        name = ObjectName.parse(written, default_namespace=pod.name.namespace)
        network = self.meaning.seats.networks.get(name)
        if network is None:
            declared.because(f"pod {pod.name} waits: it names network {name}, which is not declared")
            declared.remedies.append(remedies.declaring(name, pod.name))
            return declared
        declared.because(f"pod {pod.name} waits: network {name} does not admit its namespace", network)
        declared.remedies.append(remedies.admitting(network, pod.name.namespace))
        return declared

    def _let_out(self, declared: Declared, network: VirtualNetwork, target: End, dues: set[Due]) -> None:
        if Due.EGRESS in dues:
            declared.because(f"network {network.name} has `egress: snat`", network)
        if Due.INFRASTRUCTURE in dues:
            declared.because(f"{target} is infrastructure of network {network.name}", network)

    def _kept_in(
        self, declared: Declared, network: VirtualNetwork, target: End, where: tuple[str, int]
    ) -> None:
        config = self.meaning.config
        address = target.addresses[0] if target.addresses else None
        if target.kind is EndKind.NODE:
            declared.because(f"pods of a network never talk to nodes: {network.name} reaches none", network)
        elif target.pod is not None:
            self._of_default_pod(declared, network, target.pod, where)
        elif address is not None and any(
            address in prefix for prefix in (*config.pod_ranges, *config.service_ranges, *config.node_ranges)
        ):
            declared.because(
                f"{target.name} is in a range of the cluster, where networks reach infrastructure alone"
            )
        elif network.egress.value == "none":
            declared.because(f"network {network.name} has `egress: none`", network)
            declared.remedies.append(remedies.leaving(network))
        else:
            declared.because(f"{target.name} is no address that egress leads to", network)

    def _of_default_pod(
        self, declared: Declared, network: VirtualNetwork, pod: Pod, where: tuple[str, int]
    ) -> None:
        protocol, port = where
        declared.because(
            f"pod {pod.name} is on the default network, and no infrastructure of {network.name}", network
        )
        behind = sorted(
            {
                offered.service
                for offered in self.meaning.services.ports
                if any(place.protocol.lower() == protocol for place in offered.places)
                and any(b.address in pod.addresses and b.port == port for b in offered.backings)
            }
        )
        if behind:
            declared.remedies.append(remedies.asking(network, behind[0]))
        else:
            what = (
                f"Give pod {pod.name} a Service that leads to its port {protocol}/{port}, and list it in"
                f" `infrastructure.services` of {network.name}"
            )
            declared.remedies.append(Remedy(what=what))

    def _of_service(
        self, declared: Declared, network: VirtualNetwork, target: End, where: tuple[str, int]
    ) -> None:
        assert target.service is not None
        protocol, port = where
        ports = [f"{one.protocol.lower()}/{one.port}" for one in target.service.ports]
        if f"{protocol}/{port}" not in ports:
            declared.because(f"{target} has no port {protocol}/{port}; it has {', '.join(ports) or 'none'}")
            return
        behind = self._behind(target.service.name, protocol, port)
        if not behind:
            declared.because(f"no endpoint of {target} serves")
            return
        mine = self.meaning.networks[self._number(network.name)]
        if DEFAULT_NETWORK in behind and target.service.name in mine.services:
            declared.because(f"{target} is infrastructure of network {network.name}", network)
        elif DEFAULT_NETWORK in behind and not declared.may:
            declared.because(f"{target} is not infrastructure of network {network.name}", network)
            declared.remedies.append(remedies.asking(network, target.service.name))
        others = [self.meaning.networks[n].declared for n in sorted(behind - {DEFAULT_NETWORK})]
        for other in [one for one in others if not declared.may or self._reaches(network, one)][:_FEW]:
            declared.because(f"{target} has endpoints in network {other.name}", other)
            self._talk(declared, network, other)

    def _reaches(self, one: VirtualNetwork, other: VirtualNetwork) -> bool:
        return self.meaning.talking.may_talk(one.name, other.name)

    def _number(self, name: ObjectName) -> NetworkNumber:
        return next(number for number, network in self.meaning.networks.items() if network.name == name)

    def _behind(self, service: ObjectName, protocol: str, port: int) -> set[NetworkNumber]:
        return {
            backing.network
            for offered in self.meaning.services.ports
            if offered.service == service
            and any(place.protocol.lower() == protocol and place.port == port for place in offered.places)
            for backing in offered.backings
        }
