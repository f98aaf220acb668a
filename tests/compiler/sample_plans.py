"""Two nodes, three networks: team-a/red and team-a/blue talk, team-b/green overlaps red."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from compiler.layout import Attachment
from compiler.model import Egress
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.plan import (
    Access,
    Backend,
    Block,
    Datapath,
    IsolatedService,
    NetworkPlan,
    NodePlan,
    Presence,
    RemoteNode,
    ServicePlan,
)

DATAPATH = Datapath(
    number_base=1_000_000,
    vxlan_port=14789,
    mtu=1500,
    host_links_v4=IPv4Network("100.64.0.0/15"),
    host_links_v6=IPv6Network("fd41:746f:6c6c::/111"),
    service_ranges=(ip_network("10.96.0.0/16"), ip_network("fd00:96::/112")),
    cluster_ranges=(
        ip_network("10.244.0.0/16"),
        ip_network("10.96.0.0/16"),
        ip_network("192.168.0.0/24"),
        ip_network("192.168.0.1/32"),
        ip_network("fd00:96::/112"),
    ),
)

DNS = (Access(address=ip_address("10.244.1.2"), protocol="UDP", port=53),)


def named(text: str) -> ObjectName:
    return ObjectName.parse(text, default_namespace="default")


def block(prefix: str, node: int) -> Block:
    return Block(prefix=ip_network(prefix), node=NodeNumber(node))


def network(number: int, name: str, subnets: str, blocks: str, **changes: object) -> NetworkPlan:
    """`blocks` as "10.1.0.0/28@1 10.1.0.16/28@2"."""
    facts: dict[str, object] = {
        "number": NetworkNumber(number),
        "name": named(name),
        "presence": Presence.PRESENT,
        "zone": number,
        "egress": Egress.NONE,
        "subnets": tuple(map(ip_network, subnets.split())),
        "blocks": tuple(block(p, int(n)) for p, n in (b.split("@") for b in blocks.split())),
        "peers": (),
        "infrastructure": (),
    }
    return NetworkPlan(**{**facts, **changes})  # type: ignore[arg-type]  # keywords by name


def backend(number: int, node: int, address: str, *, ready: bool = True) -> Backend:
    return Backend(
        network=NetworkNumber(number),
        node=NodeNumber(node),
        address=ip_address(address),
        port=8080,
        ready=ready,
    )


def service(*backends: Backend, **changes: object) -> ServicePlan:
    facts: dict[str, object] = {
        "name": named("team-a/web"),
        "port_name": "http",
        "addresses": (ip_address("10.96.0.20"),),
        "protocol": "TCP",
        "port": 80,
        "client_affinity": False,
        "local_only": False,
        "backends": backends,
    }
    return ServicePlan(**{**facts, **changes})  # type: ignore[arg-type]  # keywords by name


RED = network(
    1,
    "team-a/red",
    "10.1.0.0/16 fd01::/64",
    "10.1.0.0/28@1 10.1.0.16/28@2 fd01::/122@1 fd01::40/122@2",
    peers=(NetworkNumber(2),),
    infrastructure=DNS,
)
BLUE = network(
    2,
    "team-a/blue",
    "10.2.0.0/16",
    "10.2.0.16/28@2",
    zone=1,
    presence=Presence.CARRIED,
    peers=(NetworkNumber(1),),
)
GREEN = network(3, "team-b/green", "10.1.0.0/16", "10.1.0.16/28@1 10.1.0.0/28@2")

WEB = service(backend(1, 1, "10.1.0.1"), backend(1, 2, "10.1.0.17"), backend(2, 2, "10.2.0.17"))
ISOLATED = IsolatedService(name=WEB.name, addresses=WEB.addresses, node_ports=(("TCP", 30080),), mixed=False)


def node_plan(*networks: NetworkPlan, **changes: object) -> NodePlan:
    """Node 1's plan; red, blue and green where no networks are given."""
    facts: dict[str, object] = {
        "name": NodeName("node-a"),
        "number": NodeNumber(1),
        "address": ip_address("192.168.0.1"),
        "datapath": DATAPATH,
        "remotes": (
            RemoteNode(number=NodeNumber(2), name=NodeName("node-b"), address=ip_address("192.168.0.2")),
        ),
        "networks": networks or (RED, BLUE, GREEN),
        "services": (WEB,),
        "isolated": (ISOLATED,),
        "pods": (),
    }
    return NodePlan(**{**facts, **changes})  # type: ignore[arg-type]  # keywords by name


def attachment(number: int, *addresses: str) -> Attachment:
    return Attachment(
        container="c1",
        interface="eth0",
        pod="team-a/web-0",
        network=NetworkNumber(number),
        addresses=tuple(map(ip_address, addresses)),
        port="at0123456789ab",
        mac="0a:50:00:00:00:01",
    )
