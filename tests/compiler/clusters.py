"""Generated clusters and changes to them, for laws.

Names and addresses are drawn from few, so that pods name networks that come and go, subnets overlap,
blocks run out and Services find their pods. Blocks are four addresses: exhaustion is common.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TypeVar

from hypothesis import strategies as st

from compiler.change import Change
from compiler.inventory import (
    Endpoint,
    EndpointSlice,
    Inventory,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
)
from compiler.model import (
    DEFAULT_INFRASTRUCTURE,
    ClusterConfig,
    Declarations,
    Egress,
    VirtualNetwork,
    VirtualNetworkRouter,
)
from compiler.names import NodeName, ObjectName
from tests.compiler.declared import EVERYTHING, cluster_config, name, network, router, where

T = TypeVar("T")

SPACES = ("a", "b", "c")
NETWORKS = tuple(map(name, ("a/n0", "a/n1", "a/n2", "b/n0", "b/n1", "c/n0")))
NODES = tuple(NodeName(f"node-{i}") for i in range(4))
PODS = tuple(name(f"{space}/p{i}") for space in SPACES for i in range(4))
SERVICES = (name("a/s0"), name("b/s0"), name("kube-system/kube-dns"))
SLICES = tuple((name(f"{service}-{i}"), service) for service in SERVICES for i in range(2))
POD_ADDRESSES = tuple(
    map(ip_address, ("10.9.0.1", "10.9.0.5", "10.1.0.1", "10.244.0.9", "fd09::1", "fd09::5", "192.0.2.1"))
)
ASKED = ("10.9.0.1", "10.9.0.5", "10.9.0.12", "10.1.0.1", "10.9.0.5,fd09::5", "fd09::5", "10.9.0.0", "x")
EXTERNAL = tuple(
    map(ip_address, ("203.0.113.9", "192.0.2.1", "10.1.0.1", "10.9.0.9", "10.96.0.1", "fd09::9"))
)
"""Free, a node's, and some that belong to a network or a Service once there is one."""

_names_of_networks = st.sampled_from(
    ["n0", "n0", "n1", "n1", "a/n0", "a/n1", "b/n0", None, None, "c/n0", "ghost", "a/b/c"]
)


@st.composite
def virtual_networks(draw: st.DrawFn, chosen: ObjectName) -> VirtualNetwork:
    """With a subnet of its own, the one that all others may have too, or both."""
    own = NETWORKS.index(chosen) + 1
    subnets = draw(
        st.sampled_from(
            [
                (f"10.{own}.0.0/28", f"fd0{own}::/124"),
                (f"10.{own}.0.0/28", f"fd0{own}::/124"),
                (f"10.{own}.0.0/28",),
                (f"10.{own}.0.0/29",),
                ("10.9.0.0/28",),
                ("10.9.0.0/29", "fd09::/124"),
                ("fd09::/125",),
                (f"10.{own}.0.0/30", "10.9.0.0/29"),
            ]
        )
    )
    return network(
        str(chosen),
        *subnets,
        line=10 * own,
        allowed=draw(st.sampled_from([EVERYTHING, None, where(team="x")])),
        infrastructure=draw(
            st.sampled_from(
                [DEFAULT_INFRASTRUCTURE, (), (name("a/s0"),), (*DEFAULT_INFRASTRUCTURE, name("b/s0"))]
            )
        ),
        egress=draw(st.sampled_from(Egress)),
        labels={"tier": draw(st.sampled_from(["web", "db"]))},
    )


@st.composite
def virtual_routers(draw: st.DrawFn, index: int) -> VirtualNetworkRouter:
    return router(
        f"{draw(st.sampled_from(['a', 'a', 'b', 'c']))}/r{index}",
        draw(st.sampled_from(["mesh", "mesh", "mesh", "hub", "spoke"])),
        draw(st.sampled_from([EVERYTHING, EVERYTHING, where(tier="web")])),
        imports=draw(st.sampled_from([((EVERYTHING, EVERYTHING),), (), ((EVERYTHING, None),)])),
        line=10 * index,
    )


def config() -> ClusterConfig:
    """Every deletion is confirmed: the guards have tests of their own."""
    return replace(cluster_config(), block_size_v4=30, block_size_v6=126, confirm_deletion_of=NETWORKS)


@st.composite
def declarations(draw: st.DrawFn) -> Declarations:
    chosen = _drawn(draw, NETWORKS, 3)
    indices = range(draw(st.sampled_from([3, 2, 2, 1, 0])))
    others = (replace(config(), mtu=9000), replace(config(), number_base=5000, vxlan_port=4789))
    return Declarations(
        revision="",
        config=draw(st.sampled_from([config(), config(), config(), *others])),
        networks=tuple(draw(virtual_networks(one)) for one in chosen),
        routers=tuple(sorted((draw(virtual_routers(i)) for i in indices), key=lambda one: one.name)),
    )


@st.composite
def nodes(draw: st.DrawFn, chosen: NodeName) -> Node:
    index = NODES.index(chosen) + 1
    both = (ip_address(f"192.0.2.{index}"), ip_address(f"2001:db8::{index}"))
    return Node(name=chosen, addresses=draw(st.sampled_from([both, both, both, both, both[:1], ()])))


@st.composite
def namespaces(draw: st.DrawFn, chosen: str) -> Namespace:
    labels = draw(st.sampled_from([{}, {"team": "x"}]))
    return Namespace(name=chosen, labels=labels, network=draw(_names_of_networks))


@st.composite
def pods(draw: st.DrawFn, chosen: ObjectName) -> Pod:
    return Pod(
        name=chosen,
        uid=draw(st.sampled_from(["first", "second"])),
        node=draw(st.sampled_from([*NODES, *NODES, None])),
        network=draw(_names_of_networks),
        addresses=draw(st.sampled_from([(), (), *((one,) for one in POD_ADDRESSES), POD_ADDRESSES[-3:]])),
        asked=draw(st.sampled_from([None, None, None, None, *ASKED])),
    )


@st.composite
def services(draw: st.DrawFn, chosen: ObjectName) -> Service:
    index = SERVICES.index(chosen) + 1
    both = (ip_address(f"10.96.0.{index}"), ip_address(f"fd00:96::{index}"))
    return Service(
        name=chosen,
        cluster_addresses=draw(st.sampled_from([both, both, both[:1], ()])),
        external_addresses=draw(st.sampled_from([(), (), EXTERNAL, EXTERNAL[:1], EXTERNAL[1:]])),
        ports=(
            ServicePort(name="", protocol="TCP", port=80, node_port=draw(st.sampled_from([None, 30080]))),
        ),
        client_affinity=draw(st.booleans()),
        internal_local=draw(st.booleans()),
    )


@st.composite
def slices(draw: st.DrawFn, chosen: ObjectName, service: ObjectName) -> EndpointSlice:
    return EndpointSlice(
        name=chosen,
        service=service,
        ports=(("", "TCP", draw(st.sampled_from([8080, 9090]))),),
        endpoints=tuple(draw(st.lists(_endpoints(), min_size=1, max_size=4))),
    )


@st.composite
def _endpoints(draw: st.DrawFn) -> Endpoint:
    ready, serving, terminating = draw(
        st.sampled_from([(True, True, False), (False, True, True), (False,) * 3])
    )
    return Endpoint(
        addresses=(draw(st.sampled_from(POD_ADDRESSES)),),
        node=draw(st.sampled_from([None, *NODES])),
        pod=draw(st.sampled_from([*PODS, None])),
        ready=ready,
        serving=serving,
        terminating=terminating,
    )


@st.composite
def changes(draw: st.DrawFn, most: int = 3) -> Change:
    """Some objects new, different or gone; now and then a commit or a confirmation with them."""
    return Change(
        declarations=draw(st.one_of(st.none(), declarations())),
        nodes={one: draw(st.none() | nodes(one)) for one in draw(_some(NODES, most))},
        namespaces={one: draw(st.none() | namespaces(one)) for one in draw(_some(SPACES, most))},
        pods={one: draw(st.none() | pods(one)) for one in draw(_some(PODS, most))},
        services={one: draw(st.none() | services(one)) for one in draw(_some(SERVICES, most))},
        slices={one[0]: draw(st.none() | slices(*one)) for one in draw(_some(SLICES, most))},
        wanted={one: draw(st.none() | _wishes()) for one in draw(_some(NODES, 1))},
    )


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Most nodes and namespaces, some pods and Services."""
    return Inventory(
        nodes={one: draw(nodes(one)) for one in _drawn(draw, NODES, 3)},
        namespaces={one: draw(namespaces(one)) for one in _drawn(draw, SPACES, 2)},
        pods={one: draw(pods(one)) for one in _drawn(draw, PODS, 8)},
        services={one: draw(services(one)) for one in _drawn(draw, SERVICES, 1)},
        slices={one[0]: draw(slices(*one)) for one in _drawn(draw, SLICES, 2)},
        wanted={one: draw(_wishes()) for one in _drawn(draw, NODES, 0)},
    )


def _wishes() -> st.SearchStrategy[dict[ObjectName, int]]:
    return st.dictionaries(st.sampled_from(NETWORKS), st.integers(1, 9), max_size=2)


def _drawn(draw: st.DrawFn, pool: tuple[T, ...], fewest: int) -> list[T]:
    chosen = draw(st.sets(st.sampled_from(pool), min_size=fewest))
    return [one for one in pool if one in chosen]


def _some(pool: tuple[T, ...], most: int) -> st.SearchStrategy[set[T]]:
    return st.sets(st.sampled_from(pool), max_size=most)
