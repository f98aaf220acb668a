"""The lab's cluster before Atoll: nodes on an underlay, their default network, DNS, API server, kube-proxy.

Everything here is what a cluster's ordinary software would have set up, and so what Atoll must leave
as it is. Addresses follow from a node's number, in both families, so that a reader can place each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

from cli.lab.kube_proxy import Forwarding, kube_proxy_table, other_tables
from cli.lab.namespace import Namespace
from cli.lab.traffic import Address, Traffic

Prefix = IPv4Network | IPv6Network

NODE_RANGES: Final = {4: "172.18.0.0/24", 6: "fd00:172:18::/64"}
POD_RANGES: Final = {4: "10.244.0.0/16", 6: "fd00:10:244::/56"}
SERVICE_RANGES: Final = {4: "10.96.0.0/16", 6: "fd00:10:96::/112"}
OUTSIDE: Final = {4: "203.0.113.10", 6: "2001:db8::10"}
"""A host beyond the cluster, behind the underlay's router."""
ECHO_PORTS: Final = (("TCP", 8080), ("UDP", 8080))
DNS_PORTS: Final = (("TCP", 53), ("UDP", 53))
API_PORT: Final = 6443
FOREIGN_RULE: Final = "5270"
"""Priority of a policy rule that some other software of a node has."""


@dataclass(kw_only=True, slots=True)
class LabNode:
    number: int
    name: str
    place: Namespace
    addresses: tuple[Address, ...]
    pod_ranges: tuple[Prefix, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LabNamespace:
    """A namespace of Kubernetes. `network` is its annotation."""

    labels: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None


@dataclass(kw_only=True, slots=True)
class LabPod:
    """A pod of the default network, or one that waits for Atoll to give it addresses."""

    name: str
    """`namespace/name`."""
    node: LabNode
    place: Namespace
    addresses: tuple[Address, ...] = ()
    network: str | None = None
    """The annotation; None: the namespace decides."""

    def address(self, version: int) -> Address:
        return next(a for a in self.addresses if a.version == version)


@dataclass(kw_only=True, slots=True)
class LabService:
    """A Service as Kubernetes holds it; `endpoints` are what its EndpointSlices would list."""

    name: str
    addresses: tuple[Address, ...]
    port: int
    target_port: int
    protocols: tuple[str, ...] = ("TCP", "UDP")
    pods: list[LabPod] = field(default_factory=list)
    plain_endpoints: tuple[Address, ...] = ()
    """Endpoints that are no pods: the API server's."""
    node_port: int | None = None
    client_affinity: bool = False
    internal_local: bool = False
    terminating: tuple[str, ...] = ()
    """Names of pods that still serve, but are about to end."""

    def endpoints(self, version: int) -> list[Address]:
        addresses = [a for pod in self.pods for a in pod.addresses] + list(self.plain_endpoints)
        return [a for a in addresses if a.version == version]


class Lab:
    """Two nodes or more, ready for traffic. `versions` says which families the cluster has."""

    def __init__(self, *, nodes: int = 2, versions: tuple[int, ...] = (4, 6), prefix: str = "lab") -> None:
        self._prefix = prefix
        self.versions = versions
        self.traffic = Traffic()
        self.pods: dict[str, LabPod] = {}
        self.services: dict[str, LabService] = {}
        self.namespaces: dict[str, LabNamespace] = {}
        self._places: list[Namespace] = []
        try:
            self._build(nodes)
        except BaseException:
            self.close()
            raise

    def _build(self, nodes: int) -> None:
        self.underlay = self._namespace("underlay")
        self.nodes = tuple(self._node(number) for number in range(1, nodes + 1))
        self._connect()
        self.outside = {version: ip_address(OUTSIDE[version]) for version in self.versions}
        self.traffic.listen(self.underlay, "outside", ECHO_PORTS, list(self.outside.values()))
        for node in self.nodes:
            self.traffic.listen(node.place, node.name, ECHO_PORTS, node.addresses)
            plain = self.add_default_pod(f"default/plain-{node.number}", node)
            self.traffic.listen(plain.place, plain.name, ECHO_PORTS)
        self._infrastructure()

    def add_service(self, service: LabService) -> LabService:
        self.services[service.name] = service
        return service

    def service_addresses(self, index: int) -> tuple[Address, ...]:
        """The addresses number `index` of the service ranges, one a family."""
        return tuple(ip_network(SERVICE_RANGES[version])[index] for version in self.versions)

    def add_pod(self, name: str, node: LabNode, *, network: str | None = None) -> LabPod:
        """An empty pod: a namespace with nothing but its loopback, for Atoll to attach."""
        place = self._namespace(f"pod-{name.replace('/', '-')}")
        self._allow_ping(place)
        pod = LabPod(name=name, node=node, place=place, network=network)
        self.pods[name] = pod
        self.namespaces.setdefault(name.partition("/")[0], LabNamespace())
        return pod

    def remove_pod(self, name: str) -> None:
        """The pod's sandbox goes away, and with it everything that was attached to it."""
        pod = self.pods.pop(name)
        self._places.remove(pod.place)
        pod.place.close()

    def add_default_pod(self, name: str, node: LabNode) -> LabPod:
        """A pod with a routed veth to its node, as the plugin `ptp` and several others make one."""
        index = 10 + sum(pod.node is node for pod in self.pods.values())
        pod = self.add_pod(name, node)
        pod.addresses = tuple(pod_range[index] for pod_range in node.pod_ranges)
        port = f"veth{index}"
        outer = [
            f"link add {port} type veth peer name eth0 netns {pod.place.name}",
            f"link set {port} up",
        ]
        inner = ["link set eth0 up"]
        for address, pod_range in zip(pod.addresses, node.pod_ranges, strict=True):
            gateway, nodad = pod_range[1], " nodad" * (address.version == 6)
            outer += [f"address add {gateway} dev {port}{nodad}", f"route add {address} dev {port}"]
            inner += [
                f"address add {address} dev eth0{nodad}",
                f"route add {gateway} dev eth0",
                f"route add default via {gateway}",
            ]
        node.place.ip("\n".join(outer))
        pod.place.ip("\n".join(inner))
        return pod

    def start_kube_proxy(self) -> None:
        """(Re)writes the foreign tables of every node from the services as they are now."""
        forwardings = [
            Forwarding(
                name=service.name,
                protocol=protocol.lower(),
                address=address,
                port=service.port,
                node_port=service.node_port,
                endpoints=tuple((e, service.target_port) for e in service.endpoints(address.version)),
            )
            for service in self.services.values()
            for protocol in service.protocols
            for address in service.addresses
        ]
        for node in self.nodes:
            tables = [kube_proxy_table(v, forwardings, ip_network(POD_RANGES[v])) for v in self.versions]
            node.place.nft("".join([*tables, other_tables()]))

    def foreign_state(self, node: LabNode) -> str:
        """Tables, links, rules and routes of a node that are not Atoll's, as text to compare."""
        listing = node.place.run("nft", "list", "tables").split("\n")
        tables = [line.removeprefix("table ") for line in listing if line and line != "table inet atoll"]
        text = [node.place.run("nft", "list", "table", *table.split()) for table in tables]
        for version in self.versions:
            routes = node.place.run("ip", f"-{version}", "route", "show", "table", "main").splitlines()
            text += [route for route in routes if " dev hh" not in route]  # the kernel's, of a host link
        text.append(node.place.run("ip", "link", "show", "group", "default"))
        rules = [node.place.run("ip", f"-{v}", "rule", "show", "pref", FOREIGN_RULE) for v in self.versions]
        return "\n".join(text + rules)

    def close(self) -> None:
        self.traffic.close()
        for place in reversed(self._places):
            place.close()

    def _namespace(self, name: str) -> Namespace:
        place = Namespace(f"{self._prefix}-{name}")
        self._places.append(place)
        # Duplicate address detection holds IPv6 back for the first second of every link, or two.
        quick = {f"net__ipv6__conf__{scope}__accept_dad": 0 for scope in ("all", "default")}
        place.sysctl(**quick, net__ipv6__conf__default__accept_ra=0)
        # The kernel rations ICMP errors to one a second for each receiver; here each answer is to be seen.
        place.sysctl(net__ipv4__icmp_ratemask=0, net__ipv6__icmp__ratemask=255)
        return place

    def _allow_ping(self, place: Namespace) -> None:
        with place.entered():
            Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 0")

    def _node(self, number: int) -> LabNode:
        place = self._namespace(f"node-{number}")
        self._allow_ping(place)
        forwarding = {f"net__ipv{v}__conf__all__forwarding": 1 for v in (4, 6)}
        # As systemd sets them: what Atoll adds must work beside strictness of others.
        place.sysctl(**forwarding, net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=2)
        return LabNode(
            number=number,
            name=f"node-{number}",
            place=place,
            addresses=tuple(ip_network(NODE_RANGES[v])[number] for v in self.versions),
            pod_ranges=tuple(_pod_range(v, number) for v in self.versions),
        )

    def _connect(self) -> None:
        """The underlay's bridge, the nodes' eth0, and routes between the nodes' pod ranges."""
        gateways = {v: ip_network(NODE_RANGES[v])[254] for v in self.versions}
        self.underlay.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        lines = ["link add lan type bridge mcast_snooping 0", "link set lan up"]
        for version, gateway in gateways.items():
            length = ip_network(NODE_RANGES[version]).prefixlen
            lines.append(f"address add {gateway}/{length} dev lan" + " nodad" * (version == 6))
            lines.append(f"address add {OUTSIDE[version]} dev lo" + " nodad" * (version == 6))
        for node in self.nodes:
            lines.append(f"link add u{node.number} type veth peer name eth0 netns {node.place.name}")
            lines.append(f"link set u{node.number} master lan up")
        self.underlay.ip("\n".join(lines))
        for node in self.nodes:
            node.place.ip("\n".join(self._node_links(node, gateways)))

    def _node_links(self, node: LabNode, gateways: dict[int, Address]) -> list[str]:
        lines = ["link set eth0 up"]
        lines += [f"rule add pref {FOREIGN_RULE} fwmark 0x270 lookup main"]
        for address in node.addresses:
            version, nodad = address.version, " nodad" * (address.version == 6)
            length = ip_network(NODE_RANGES[version]).prefixlen
            lines += [
                f"address add {address}/{length} dev eth0{nodad}",
                f"route add default via {gateways[version]}",
            ]
            for other in self.nodes:
                if other is not node:
                    via = next(a for a in other.addresses if a.version == version)
                    target = next(p for p in other.pod_ranges if p.version == version)
                    lines.append(f"route add {target} via {via}")
        return lines

    def _infrastructure(self) -> None:
        """DNS as a pod of node 1; the API server on node 1's own address, as a control plane has it."""
        first = self.nodes[0]
        dns = self.add_default_pod("kube-system/coredns", first)
        self.traffic.listen(dns.place, "dns", [*DNS_PORTS, *ECHO_PORTS])
        self.traffic.listen(first.place, "api", [("TCP", API_PORT)])
        self.add_service(
            LabService(
                name="kube-system/kube-dns",
                addresses=self.service_addresses(10),
                port=53,
                target_port=53,
                pods=[dns],
            )
        )
        self.add_service(
            LabService(
                name="default/kubernetes",
                addresses=self.service_addresses(1),
                port=443,
                target_port=API_PORT,
                protocols=("TCP",),
                plain_endpoints=first.addresses,
            )
        )


def _pod_range(version: int, number: int) -> Prefix:
    """10.244.<number>.0/24 and fd00:10:244:<number>::/64."""
    start = int(ip_network(POD_RANGES[version]).network_address)
    return (
        IPv4Network((start + (number << 8), 24))
        if version == 4
        else IPv6Network((start + (number << 64), 64))
    )
