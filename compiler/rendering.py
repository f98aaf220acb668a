"""Plan to ruleset: which elements each set of the table holds on one node.

Everything here is a fact about networks and Services; a pod that comes or goes changes none of it
unless it is a backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from itertools import chain
from typing import Final

from compiler import device_names as names
from compiler.address_text import address_text, prefix_text
from compiler.chains import MARK_BASE, MAX_CHOICES, chains_text, choices_for, pick_chain
from compiler.model import Address, Egress, Prefix
from compiler.names import DEFAULT_NETWORK, NetworkNumber
from compiler.plan import Backend, NetworkPlan, NodePlan, Presence, ServicePlan
from compiler.ruleset import Element, Elements, Ruleset, comment

NOT_OUTSIDE: Final[tuple[Prefix, ...]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),  # a cloud's metadata service, with the node's credentials
    IPv4Network("224.0.0.0/3"),
    IPv6Network("::/127"),
    IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
)
"""Loopback, link-local, multicast and reserved ranges (RFC 6890): never outside the cluster."""


def ruleset_of(plan: NodePlan) -> Ruleset:
    """The node's whole table. The same plan gives the same bytes."""
    view = _View(plan)
    choices = tuple(_first_at_each_place(_choices(view)))
    return Ruleset(
        chains=chains_text(plan.datapath),
        sets={
            "zones": dict(_zones(view)),
            "peers": dict(_peers(view)),
            **_split("vips", _vips(choices)),
            **_split("backends", _backends(choices)),
            **_split("infrastructure", _infrastructure(view)),
            "egress": {str(n.number): _named(n) for n in view.present if n.egress is Egress.SNAT},
            **_ranges("cluster", (*plan.datapath.cluster_ranges, *NOT_OUTSIDE)),
            **_ranges("service_ranges", plan.datapath.service_ranges),
            **_split("isolated", _isolated(plan)),
            "isolated_ports": dict(_isolated_ports(plan)),
            **_split("hairpins", _hairpins(view, choices)),
            **_split("host_links", _host_links(view)),
            **_split("underlay", _underlay(plan)),
        },
    )


Versioned = tuple[int, str, Element]
"""IP version, key, element."""


@dataclass(frozen=True)
class _View:
    """A plan with the look-ups that rendering needs, each made once."""

    plan: NodePlan

    @cached_property
    def present(self) -> tuple[NetworkPlan, ...]:
        return tuple(n for n in self.plan.networks if n.presence is Presence.PRESENT)

    @cached_property
    def by_number(self) -> Mapping[NetworkNumber, NetworkPlan]:
        return {n.number: n for n in self.plan.networks}


@dataclass(frozen=True, slots=True)
class _Choice:
    """One service address and port as the clients of one network meet it."""

    client: NetworkNumber
    address: Address
    service: ServicePlan
    backends: tuple[Backend, ...]
    key: str
    label: str


def _choices(view: _View) -> Iterator[_Choice]:
    """By client network, then in the plan's order of services."""
    reach = [(n.number, frozenset((n.number, *n.peers)), str(n.name)) for n in view.present]
    mixed = {service.name for service in view.plan.isolated if service.mixed}
    outsider = (DEFAULT_NETWORK, frozenset((DEFAULT_NETWORK,)), "default network")
    for client, visible, client_name in (outsider, *reach):
        for service in view.plan.services:
            if client == DEFAULT_NETWORK and service.name not in mixed:
                continue
            backends = visible_backends(view.plan, service, client, visible)
            if backends:
                port = f":{service.port_name}" if service.port_name else ""
                label = comment(f"{client_name} asks {service.name}{port}")
                place = f"{service.protocol.lower()} . {service.port}"
                for address in service.addresses:
                    if client != DEFAULT_NETWORK or _is_cluster_address(view.plan, address):
                        key = f"{client} . {address_text(address)} . {place}"
                        yield _Choice(client, address, service, backends, key, label)


def _first_at_each_place(choices: Iterator[_Choice]) -> Iterator[_Choice]:
    """Of several Services at one address and port, the first by name that has backends for the client."""
    taken: set[tuple[NetworkNumber, Address, str, int]] = set()
    for choice in choices:
        place = (choice.client, choice.address, choice.service.protocol, choice.service.port)
        if place not in taken:
            taken.add(place)
            yield choice


def _is_cluster_address(plan: NodePlan, address: Address) -> bool:
    """The default network asks mixed Services there; from outside it would need a masquerade."""
    return any(address in prefix for prefix in plan.datapath.service_ranges)


def visible_backends(
    plan: NodePlan, service: ServicePlan, client: NetworkNumber, visible: frozenset[NetworkNumber]
) -> tuple[Backend, ...]:
    """The backends over which a Service balances for one network's clients on this node.

    Ready ones; while there are none, those that still serve though terminating, as kube-proxy
    does (KEP-1669).
    """
    infrastructure = client in service.infrastructure_of
    seen = [
        backend
        for backend in service.backends
        if (backend.network in visible or (infrastructure and backend.network == DEFAULT_NETWORK))
        and (not service.local_only or backend.node == plan.number)
    ]
    ready = tuple(backend for backend in seen if backend.ready)
    return (ready or tuple(seen))[:MAX_CHOICES]


def _vips(choices: tuple[_Choice, ...]) -> Iterator[Versioned]:
    for choice in choices:
        slots = choices_for(len(choice.backends))
        pick = pick_chain(slots, client_affinity=choice.service.client_affinity)
        yield choice.address.version, choice.key, Element(f"goto {pick}", choice.label)


def _backends(choices: tuple[_Choice, ...]) -> Iterator[Versioned]:
    for choice in choices:
        targets = [f"{address_text(backend.address)} . {backend.port}" for backend in choice.backends]
        for slot in range(choices_for(len(targets))):
            key = f"{choice.key} . {MARK_BASE + slot:#x}"
            yield choice.address.version, key, Element(targets[slot % len(targets)], choice.label)


def _hairpins(view: _View, choices: tuple[_Choice, ...]) -> Iterator[Versioned]:
    """Only a node's own pods meet themselves there."""
    seen = {
        (choice.client, backend.address): choice.label
        for choice in choices
        if choice.client != DEFAULT_NETWORK
        for backend in choice.backends
        if backend.network == choice.client and backend.node == view.plan.number
    }
    for (client, address), _ in sorted(seen.items(), key=lambda item: (item[0][0], int(item[0][1]))):
        name = str(view.by_number[client].name)
        text = address_text(address)
        yield address.version, f"{client} . {text} . {text}", Element(None, name)


def _zones(view: _View) -> Iterator[tuple[str, Element]]:
    for network in view.plan.networks:
        yield str(network.number), Element(str(network.zone), comment(str(network.name)))
    for network in view.present:
        label = comment(f"{network.name}, host link")
        yield str(names.HOST_LINK_GROUP + network.number), Element(str(network.zone), label)


def _peers(view: _View) -> Iterator[tuple[str, Element]]:
    """Towards present networks only: a packet for a remote pod leaves by its own network's VXLAN."""
    for network in view.plan.networks:
        for number in sorted((network.number, *network.peers)):
            target = view.by_number[number]
            if target.presence is Presence.PRESENT:
                label = comment(f"{network.name} > {target.name}")
                yield f"{network.number} . {number}", Element(None, label)


def _infrastructure(view: _View) -> Iterator[Versioned]:
    for network in view.present:
        for access in network.infrastructure:
            address = address_text(access.address)
            key = f"{network.number} . {address} . {access.protocol.lower()} . {access.port}"
            yield access.address.version, key, _named(network)


def _isolated(plan: NodePlan) -> Iterator[Versioned]:
    for service in plan.isolated:
        verdict = "goto mixed" if service.mixed else "goto refuse"
        for address in service.addresses:
            yield address.version, address_text(address), Element(verdict, comment(str(service.name)))


def _isolated_ports(plan: NodePlan) -> Iterator[tuple[str, Element]]:
    for service in plan.isolated:
        for protocol, port in service.node_ports:
            yield f"{protocol.lower()} . {port}", Element(None, comment(str(service.name)))


def _host_links(view: _View) -> Iterator[Versioned]:
    """Twice: for packets that leave by the host link, and for hairpins, which leave by a pod's port."""
    datapath = view.plan.datapath
    for network in view.present:
        families = {subnet.version for subnet in network.subnets}
        for links in (datapath.host_links_v4, datapath.host_links_v6):
            if links.version not in families:
                continue
            address = address_text(names.host_link_address(links, network.number))
            for group in (network.number, names.HOST_LINK_GROUP + network.number):
                yield links.version, str(group), Element(address, comment(str(network.name)))


def _underlay(plan: NodePlan) -> Iterator[Versioned]:
    for remote in plan.remotes:
        yield remote.address.version, address_text(remote.address), Element(None, comment(remote.name))


def _named(network: NetworkPlan) -> Element:
    return Element(None, comment(str(network.name)))


def _split(name: str, elements: Iterator[Versioned]) -> Mapping[str, Elements]:
    """One set for each family."""
    sets: dict[str, dict[str, Element]] = {f"{name}4": {}, f"{name}6": {}}
    for version, key, element in elements:
        sets[f"{name}{version}"][key] = element
    return sets


def _ranges(name: str, prefixes: tuple[Prefix, ...]) -> Mapping[str, Elements]:
    """Collapsed, for interval sets refuse prefixes that overlap."""
    collapsed: Iterator[Prefix] = chain(
        collapse_addresses(p for p in prefixes if isinstance(p, IPv4Network)),
        collapse_addresses(p for p in prefixes if isinstance(p, IPv6Network)),
    )
    return _split(name, ((p.version, prefix_text(p), Element(None, "")) for p in collapsed))
