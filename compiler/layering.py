"""Plan and attachments to layout: which links, routes, neighbours and rules a node must have.

The plan alone gives the base; each attachment adds a few objects of its own and changes nothing
else, so that a pod comes and goes at a cost that does not depend on the node's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from compiler import device_names as names
from compiler.layout import (
    Attachment,
    ForwardingEntry,
    Layout,
    Link,
    LinkAddress,
    LinkKind,
    Neighbour,
    Route,
    Rule,
)
from compiler.model import Address, Egress, Prefix
from compiler.names import NetworkNumber
from compiler.plan import Block, Datapath, NetworkPlan, NodePlan, Presence, RemoteNode

VRF_DEFAULT_METRIC = 4278198272
"""Ends a lookup inside the VRF instead of falling through to the main table (kernel, vrf.rst)."""

LOCAL_TABLE = 255
L3MDEV_PRIORITY = 50
LOCAL_PRIORITY = 60
HOST_PRIORITY = 61
DEFAULT_V4 = IPv4Network("0.0.0.0/0")
DEFAULT_V6 = IPv6Network("::/0")


def overlay_mtu(datapath: Datapath, underlay: Address) -> int:
    """Bytes left for a pod's packet: VXLAN takes 50 over IPv4 and 70 over IPv6 (RFC 7348)."""
    return datapath.mtu - (50 if underlay.version == 4 else 70)


def layout_of(plan: NodePlan, attachments: Iterable[Attachment]) -> Layout:
    """Everything of ours that the node's kernel must hold, and nothing else."""
    pieces = [base_layout(plan), *(attachment_layout(plan, a) for a in attachments)]
    return union(pieces)


def union(pieces: Iterable[Layout]) -> Layout:
    parts = list(pieces)
    return Layout(
        links=frozenset().union(*(p.links for p in parts)),
        addresses=frozenset().union(*(p.addresses for p in parts)),
        routes=frozenset().union(*(p.routes for p in parts)),
        neighbours=frozenset().union(*(p.neighbours for p in parts)),
        forwarding=frozenset().union(*(p.forwarding for p in parts)),
        rules=frozenset().union(*(p.rules for p in parts)),
    )


def base_layout(plan: NodePlan) -> Layout:
    """The layout of a node without pods."""
    view = _View(plan)
    return Layout(
        links=frozenset(link for n in plan.networks for link in _links(view, n)),
        addresses=frozenset(a for n in view.present for a in _host_link_addresses(view, n)),
        routes=frozenset(route for n in plan.networks for route in _routes(view, n)),
        neighbours=frozenset(entry for n in plan.networks for entry in _neighbours(view, n)),
        forwarding=frozenset(
            ForwardingEntry(
                link=names.vxlan_name(n.number), mac=names.vxlan_mac(r.number, n.number), remote=r.address
            )
            for n in plan.networks
            for r in view.remotes_of(n)
        ),
        rules=_rules(plan) if plan.networks else frozenset(),
    )


def attachment_layout(plan: NodePlan, attachment: Attachment) -> Layout:
    """What one pod adds: its port, its routes in every table that reaches it, its neighbours.

    A pod whose network the plan does not hold adds nothing: it has no VRF to be in.
    """
    view = _View(plan)
    network = view.network(attachment.network)
    if network is None:
        return union(())
    port = Link(
        name=attachment.port,
        kind=LinkKind.POD_PORT,
        group=network.number,
        mac=names.PORT_MAC,
        mtu=overlay_mtu(plan.datapath, plan.address),
        master=names.vrf_name(network.number),
    )
    return Layout(
        links=frozenset({port}),
        addresses=frozenset(),
        routes=frozenset(_pod_routes(view, network, attachment)),
        neighbours=frozenset(
            Neighbour(link=port.name, address=address, mac=attachment.mac) for address in attachment.addresses
        ),
        forwarding=frozenset(),
        rules=frozenset(),
    )


@dataclass(frozen=True, slots=True)
class _View:
    """A plan with the few look-ups that layering needs."""

    plan: NodePlan

    @property
    def present(self) -> Iterator[NetworkPlan]:
        return (n for n in self.plan.networks if n.presence is Presence.PRESENT)

    def network(self, number: NetworkNumber) -> NetworkPlan | None:
        return next((n for n in self.plan.networks if n.number == number), None)

    def table(self, number: NetworkNumber) -> int:
        return self.plan.datapath.number_base + number

    def reached(self, network: NetworkPlan) -> Iterator[NetworkPlan]:
        """Networks whose blocks the network's own table routes to.

        A carried network sends nothing from here; its own blocks serve the reverse-path check.
        """
        yield network
        if network.presence is Presence.PRESENT:
            peers = set(network.peers)
            yield from (n for n in self.plan.networks if n.number in peers)

    def remote_blocks(self, network: NetworkPlan) -> Iterator[Block]:
        for reached in self.reached(network):
            yield from (block for block in reached.blocks if block.node != self.plan.number)

    def remotes_of(self, network: NetworkPlan) -> Iterator[RemoteNode]:
        nodes = {block.node for block in self.remote_blocks(network)}
        return (remote for remote in self.plan.remotes if remote.number in nodes)

    def host_links(self, network: NetworkPlan) -> Iterator[IPv4Network | IPv6Network]:
        """The reserved ranges of the families that the network's pods have."""
        versions = {subnet.version for subnet in network.subnets}
        if 4 in versions:
            yield self.plan.datapath.host_links_v4
        if 6 in versions:
            yield self.plan.datapath.host_links_v6


def _links(view: _View, network: NetworkPlan) -> Iterator[Link]:
    number, plan = network.number, view.plan
    vrf = names.vrf_name(number)
    yield Link(
        name=vrf,
        kind=LinkKind.VRF,
        group=number,
        mac=names.PORT_MAC,
        mtu=names.VRF_MTU,
        table=view.table(number),
        alt_name=names.alt_name(network.name),
    )
    yield Link(
        name=names.vxlan_name(number),
        kind=LinkKind.VXLAN,
        group=number,
        mac=names.vxlan_mac(plan.number, number),
        mtu=overlay_mtu(plan.datapath, plan.address),
        master=vrf,
        vni=view.table(number),
        local=plan.address,
        port=plan.datapath.vxlan_port,
    )
    if network.presence is Presence.PRESENT:
        yield Link(
            name=names.host_link_name(number),
            kind=LinkKind.HOST_LINK,
            group=names.HOST_LINK_GROUP + number,
            mac=names.host_link_mac(number),
            mtu=plan.datapath.mtu,
            master=vrf,
            peer=names.outside_name(number),
            peer_mac=names.outside_mac(number),
            peer_group=names.OUTSIDE_GROUP,
        )


def _refusing(network: NetworkPlan, table: int, prefix: Prefix) -> Route:
    """To the VRF itself: the ruleset refuses it at once, and without a ruleset it is lost.

    An unreachable route would answer with rationed ICMP errors (net.ipv4.route.error_cost). By another
    device the reset would be routed outside the VRF (nf_send_reset asks the refused packet's device).
    """
    return Route(table=table, prefix=prefix, link=names.vrf_name(network.number), metric=VRF_DEFAULT_METRIC)


def _host_link_addresses(view: _View, network: NetworkPlan) -> Iterator[LinkAddress]:
    number = network.number
    for links in view.host_links(network):
        length = links.max_prefixlen - 1
        yield LinkAddress(
            link=names.host_link_name(number),
            address=names.host_link_address(links, number),
            prefix_length=length,
        )
        yield LinkAddress(
            link=names.outside_name(number),
            address=names.outside_address(links, number),
            prefix_length=length,
        )


def _routes(view: _View, network: NetworkPlan) -> Iterator[Route]:
    table, number = view.table(network.number), network.number
    for everything in (DEFAULT_V4, DEFAULT_V6):
        yield _refusing(network, table, everything)
    for block in view.remote_blocks(network):
        yield Route(
            table=table,
            prefix=block.prefix,
            link=names.vxlan_name(number),
            via=names.next_hop(block.node),
        )
    if network.presence is Presence.PRESENT:
        yield from _host_link_routes(view, network)


def _host_link_routes(view: _View, network: NetworkPlan) -> Iterator[Route]:
    """To the infrastructure, and out of the cluster where the network may leave it."""
    table, link = view.table(network.number), names.host_link_name(network.number)
    outside = {
        links.version: names.outside_address(links, network.number) for links in view.host_links(network)
    }
    for address in {access.address for access in network.infrastructure}:
        if address.version in outside:
            yield Route(table=table, prefix=host_prefix(address), link=link, via=outside[address.version])
    if network.egress is Egress.SNAT:
        for version, via in outside.items():
            everything: Prefix = DEFAULT_V4 if version == 4 else DEFAULT_V6
            yield Route(table=table, prefix=everything, link=link, via=via)
        for reached in view.reached(network):  # an address nobody has must not leave the cluster
            for subnet in reached.subnets:
                yield _refusing(network, table, subnet)


def _neighbours(view: _View, network: NetworkPlan) -> Iterator[Neighbour]:
    number = network.number
    for remote in view.remotes_of(network):
        yield Neighbour(
            link=names.vxlan_name(number),
            address=names.next_hop(remote.number),
            mac=names.vxlan_mac(remote.number, number),
        )
    if network.presence is Presence.PRESENT:
        for links in view.host_links(network):
            yield Neighbour(
                link=names.host_link_name(number),
                address=names.outside_address(links, number),
                mac=names.outside_mac(number),
            )
            yield Neighbour(
                link=names.outside_name(number),
                address=names.host_link_address(links, number),
                mac=names.host_link_mac(number),
            )


def _pod_routes(view: _View, network: NetworkPlan, attachment: Attachment) -> Iterator[Route]:
    tables = [view.table(number) for number in (network.number, *network.peers)]
    # A pod may outlive its place in the inventory, and so its network's presence, or its subnet.
    present = network.presence is Presence.PRESENT
    links = {links.version: links for links in view.host_links(network)} if present else {}
    for address in attachment.addresses:
        prefix = host_prefix(address)
        for table in tables:
            yield Route(table=table, prefix=prefix, link=attachment.port)
        if address.version not in links:
            continue
        yield Route(
            table=view.plan.datapath.number_base,
            prefix=prefix,
            link=names.outside_name(network.number),
            via=names.host_link_address(links[address.version], network.number),
            source=names.outside_address(links[address.version], network.number),
        )


def _rules(plan: NodePlan) -> frozenset[Rule]:
    """The local table moves behind l3mdev: first, it would let a pod reach every address of its node."""
    return frozenset(
        rule
        for family in (4, 6)
        for rule in (
            Rule(family=family, priority=L3MDEV_PRIORITY, table=None),
            Rule(family=family, priority=LOCAL_PRIORITY, table=LOCAL_TABLE),
            Rule(
                family=family,
                priority=HOST_PRIORITY,
                table=plan.datapath.number_base,
                input_link="lo",
            ),
        )
    )


def host_prefix(address: Address) -> Prefix:
    """The /32 or /128 of one address."""
    if address.version == 4:
        return IPv4Network(int(address))
    return IPv6Network(int(address))
