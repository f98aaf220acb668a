"""What one Service and its slices become, for each port and family."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from compiler.inventory import Endpoint, EndpointSlice, Service, ServicePort
from compiler.membership import Refusal
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.plan import Access, Backend, IsolatedService, ServicePlan
from compiler.services import CompiledService, Excluded, Surroundings, compile_service
from tests.compiler.declared import name

PODS: dict[ObjectName, NetworkNumber | Refusal] = {
    name("team-a/red-1"): NetworkNumber(1),
    name("team-a/red-2"): NetworkNumber(1),
    name("team-a/blue-1"): NetworkNumber(2),
    name("team-a/plain"): DEFAULT_NETWORK,
    name("team-a/waits"): Refusal(reason="its annotation is wrong", remedy="Correct it"),
}
SURROUNDINGS = Surroundings(
    network_of=PODS.get,
    node_numbers={NodeName("node-1"): NodeNumber(1), NodeName("node-2"): NodeNumber(2)},
    node_addresses=frozenset({ip_address("192.0.2.1")}),
    is_claimed=lambda address: address == ip_address("10.96.0.2"),
)
HTTP = ServicePort(name="http", protocol="TCP", port=80)
DNS_UDP = ServicePort(name="dns", protocol="UDP", port=53)


def service(
    *ports: ServicePort,
    cluster: Iterable[str] = ("10.96.0.10",),
    external: Iterable[str] = (),
    affinity: bool = False,
    local: bool = False,
) -> Service:
    return Service(
        name=name("team-a/web"),
        cluster_addresses=tuple(map(ip_address, cluster)),
        external_addresses=tuple(map(ip_address, external)),
        ports=ports or (HTTP,),
        client_affinity=affinity,
        internal_local=local,
    )


def endpoint(
    address: str,
    pod: str | None = None,
    node: str | None = "node-1",
    *,
    ready: bool = True,
    serving: bool = True,
    terminating: bool = False,
) -> Endpoint:
    return Endpoint(
        addresses=(ip_address(address),),
        node=NodeName(node) if node else None,
        pod=name(pod) if pod else None,
        ready=ready,
        serving=serving,
        terminating=terminating,
    )


def part(
    *endpoints: Endpoint, ports: tuple[tuple[str, str, int], ...] = (("http", "TCP", 8080),)
) -> EndpointSlice:
    return EndpointSlice(
        name=name("team-a/web-abc"), service=name("team-a/web"), ports=ports, endpoints=endpoints
    )


def compiled(one: Service, *slices: EndpointSlice, users: tuple[int, ...] = ()) -> CompiledService:
    return compile_service(one, slices, SURROUNDINGS, tuple(map(NetworkNumber, users)))


def backend(network: int, node: int | None, address: str, port: int = 8080, *, ready: bool = True) -> Backend:
    return Backend(
        network=NetworkNumber(network),
        node=None if node is None else NodeNumber(node),
        address=ip_address(address),
        port=port,
        ready=ready,
    )


def test_backends_carry_the_network_and_the_node_of_their_pod() -> None:
    assert compiled(
        service(affinity=True, local=True),
        part(
            endpoint("10.2.0.5", "team-a/blue-1", "node-2"),
            endpoint("10.1.0.5", "team-a/red-1"),
            endpoint("10.244.0.5", "team-a/plain", "gone"),
        ),
        users=(2,),
    ).plans == (
        ServicePlan(
            name=name("team-a/web"),
            port_name="http",
            addresses=(ip_address("10.96.0.10"),),
            protocol="TCP",
            port=80,
            client_affinity=True,
            local_only=True,
            backends=(
                backend(0, None, "10.244.0.5"),
                backend(1, 1, "10.1.0.5"),
                backend(2, 2, "10.2.0.5"),
            ),
            infrastructure_of=(NetworkNumber(2),),
        ),
    )


def test_overlapping_networks_may_have_backends_at_one_address() -> None:
    (plan,) = compiled(
        service(), part(endpoint("10.1.0.5", "team-a/red-1"), endpoint("10.1.0.5", "team-a/blue-1", "node-2"))
    ).plans
    assert plan.backends == (backend(1, 1, "10.1.0.5"), backend(2, 2, "10.1.0.5"))


def test_dual_stack_gives_a_plan_for_each_family_that_the_service_has() -> None:
    slices = (
        part(endpoint("10.1.0.5", "team-a/red-1")),
        part(endpoint("fd00:1::5", "team-a/red-1")),
    )
    both = compiled(service(cluster=("10.96.0.10", "fd00:96::10"), external=("203.0.113.9",)), *slices)
    assert [(plan.addresses, plan.backends) for plan in both.plans] == [
        ((ip_address("10.96.0.10"), ip_address("203.0.113.9")), (backend(1, 1, "10.1.0.5"),)),
        ((ip_address("fd00:96::10"),), (backend(1, 1, "fd00:1::5"),)),
    ]
    only_v6 = compiled(service(cluster=("fd00:96::10",)), *slices)
    assert [plan.addresses for plan in only_v6.plans] == [(ip_address("fd00:96::10"),)]


def test_ports_are_paired_by_name_and_protocol_slice_by_slice() -> None:
    tcp = ServicePort(name="dns", protocol="TCP", port=53)
    signal = ServicePort(name="sig", protocol="SCTP", port=2905)
    result = compiled(
        service(tcp, signal, HTTP),
        part(endpoint("10.1.0.5", "team-a/red-1"), ports=(("dns", "TCP", 5353), ("dns", "UDP", 5354))),
        part(endpoint("10.1.0.6", "team-a/red-2"), ports=(("dns", "TCP", 6353), ("sig", "SCTP", 2906))),
    )
    assert [(plan.port_name, plan.protocol, plan.port, plan.backends) for plan in result.plans] == [
        ("dns", "TCP", 53, (backend(1, 1, "10.1.0.5", 5353), backend(1, 1, "10.1.0.6", 6353))),
        ("sig", "SCTP", 2905, (backend(1, 1, "10.1.0.6", 2906),)),
    ]


def test_an_endpoint_in_two_slices_is_one_backend_and_ready_if_either_says_so() -> None:
    result = compiled(
        service(),
        part(endpoint("10.1.0.5", "team-a/red-1", ready=False, terminating=True)),
        part(endpoint("10.1.0.5", "team-a/red-1")),
    )
    assert [plan.backends for plan in result.plans] == [(backend(1, 1, "10.1.0.5"),)]


def test_ready_backends_stay_and_those_that_serve_while_they_terminate_but_no_others() -> None:
    (plan,) = compiled(
        service(),
        part(
            endpoint("10.1.0.1", "team-a/red-1"),
            endpoint("10.1.0.2", "team-a/red-1", ready=False, serving=True, terminating=True),
            endpoint("10.1.0.3", "team-a/red-1", ready=False, serving=False, terminating=True),
            endpoint("10.1.0.4", "team-a/red-1", ready=False, serving=True, terminating=False),
            endpoint("10.1.0.5", "team-a/red-1", ready=False, serving=False),
        ),
    ).plans
    assert plan.backends == (backend(1, 1, "10.1.0.1"), backend(1, 1, "10.1.0.2", ready=False))


def test_endpoints_without_a_pod_are_in_the_default_network() -> None:
    result = compiled(service(), part(endpoint("192.0.2.77", node=None)))
    assert [plan.backends for plan in result.plans] == [(backend(0, None, "192.0.2.77"),)]
    assert result.isolated is None
    assert result.access == (Access(address=ip_address("192.0.2.77"), protocol="TCP", port=8080),)


def test_a_pod_unknown_to_the_inventory_at_a_nodes_address_is_on_its_host_network() -> None:
    result = compiled(service(), part(endpoint("192.0.2.1", "kube-system/proxy")))
    assert [plan.backends for plan in result.plans] == [(backend(0, 1, "192.0.2.1"),)]
    assert result.excluded == ()


def test_pods_that_wait_or_are_unknown_get_no_traffic_and_are_named() -> None:
    result = compiled(
        service(), part(endpoint("10.9.0.1", "team-a/waits"), endpoint("10.9.0.2", "team-a/ghost"))
    )
    assert result.plans == ()
    assert result.isolated is None
    assert result.excluded == (
        Excluded(
            pod=name("team-a/ghost"),
            reason="the inventory does not hold the pod, so its network is unknown",
        ),
        Excluded(pod=name("team-a/waits"), reason="its annotation is wrong. Correct it."),
    )


def test_a_headless_service_has_no_plan_but_gives_access_to_its_default_network_endpoints() -> None:
    result = compiled(
        service(cluster=(), external=("203.0.113.9",)),
        part(endpoint("10.244.0.5", "team-a/plain"), endpoint("10.1.0.5", "team-a/red-1")),
    )
    assert (result.plans, result.isolated) == ((), None)
    assert result.access == (Access(address=ip_address("10.244.0.5"), protocol="TCP", port=8080),)


def with_node_ports() -> Service:
    return service(
        ServicePort(name="http", protocol="TCP", port=80, node_port=30080),
        ServicePort(name="dns", protocol="UDP", port=53, node_port=30053),
        cluster=("10.96.0.10", "fd00:96::10"),
        external=("203.0.113.9",),
    )


BOTH_PORTS = (("http", "TCP", 8080), ("dns", "UDP", 5353))


def test_a_service_with_backends_in_networks_is_isolated_with_all_its_addresses_and_node_ports() -> None:
    result = compiled(with_node_ports(), part(endpoint("10.1.0.5", "team-a/red-1"), ports=BOTH_PORTS))
    assert result.isolated == IsolatedService(
        name=name("team-a/web"),
        addresses=(ip_address("10.96.0.10"), ip_address("203.0.113.9"), ip_address("fd00:96::10")),
        node_ports=(("TCP", 30080), ("UDP", 30053)),
        mixed=False,
    )


def test_an_external_address_that_belongs_to_something_else_is_neither_answered_nor_closed() -> None:
    greedy = service(external=("10.96.0.2", "203.0.113.9"))
    result = compiled(greedy, part(endpoint("10.1.0.5", "team-a/red-1")))
    answered = (ip_address("10.96.0.10"), ip_address("203.0.113.9"))
    assert result.plans[0].addresses == answered
    assert result.isolated is not None
    assert result.isolated.addresses == answered


def test_a_nodes_address_is_answered_but_never_closed_as_a_whole() -> None:
    result = compiled(service(external=("192.0.2.1",)), part(endpoint("10.1.0.5", "team-a/red-1")))
    assert result.plans[0].addresses == (ip_address("10.96.0.10"), ip_address("192.0.2.1"))
    assert result.isolated is not None
    assert result.isolated.addresses == (ip_address("10.96.0.10"),)


def test_node_ports_with_a_default_network_backend_stay_open() -> None:
    result = compiled(
        with_node_ports(),
        part(endpoint("10.1.0.5", "team-a/red-1"), ports=BOTH_PORTS),
        part(endpoint("10.244.0.5", "team-a/plain"), ports=(("http", "TCP", 8080),)),
    )
    assert result.isolated is not None
    assert (result.isolated.node_ports, result.isolated.mixed) == ((("UDP", 30053),), True)


def test_a_service_stays_isolated_while_none_of_its_backends_is_ready() -> None:
    result = compiled(
        with_node_ports(),
        part(endpoint("10.1.0.5", "team-a/red-1", ready=False, serving=False), ports=BOTH_PORTS),
    )
    assert result.plans == ()
    assert result.isolated is not None
    assert result.isolated.node_ports == (("TCP", 30080), ("UDP", 30053))


def test_a_service_of_the_default_network_is_not_isolated() -> None:
    assert compiled(with_node_ports(), part(endpoint("10.244.0.5", "team-a/plain"))).isolated is None
