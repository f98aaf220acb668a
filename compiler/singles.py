"""Blocks of one address: on the node of the pod that asks for it, as long as it asks or runs there.

They are the only blocks that go before their subnet or node does: an address must be able to follow its
pod. As with any block, another node may have it once every node has confirmed that it is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from compiler.demand import Demand, Place, by_name
from compiler.ledger import BITS, Account, Ledger, prefix_at
from compiler.membership import Refusal
from compiler.model import Address, Prefix, VirtualNetwork
from compiler.names import NodeName
from compiler.plan import is_single


def grant_asked(
    ledger: Ledger, demand: Demand, places: Iterable[Place]
) -> Iterator[tuple[Place, Mapping[Address, Refusal]]]:
    """Bring addresses to the nodes whose pods ask for them; yield what could not be, and why."""
    concerned = [place for place in places if place in demand.asked or _has_single(ledger, place)]
    for place in sorted(concerned, key=by_name):
        network = demand.networks.get(place.network)
        if network is None or place.network not in ledger.networks:
            continue
        if place.node not in demand.nodes or place.node not in ledger.nodes:
            continue
        asked = demand.asked.get(place, frozenset())
        account = ledger.account(place.network)
        _take_back(ledger, account, place.node, network, asked, demand)
        refusals = {
            address: refusal
            for address in sorted(asked, key=lambda address: (address.version, int(address)))
            if (refusal := _grant(ledger, account, place.node, address)) is not None
        }
        if refusals:
            yield place, refusals


def _has_single(ledger: Ledger, place: Place) -> bool:
    return any(prefix.prefixlen == BITS[prefix.version] for prefix in ledger.held(place.network, place.node))


def nodes_with_singles(ledger: Ledger, network: VirtualNetwork) -> Collection[NodeName]:
    subnets = _subnets(network)
    blocks = ledger.account(network.name).blocks
    return {node for prefix, node in blocks.items() if is_single(prefix, subnets)}


def _take_back(
    ledger: Ledger,
    account: Account,
    node: NodeName,
    network: VirtualNetwork,
    asked: Collection[Address],
    demand: Demand,
) -> None:
    subnets = _subnets(network)
    for prefix in list(ledger.blocks_of(account, node)):
        address = prefix.network_address
        if is_single(prefix, subnets) and address not in asked and not demand.runs(node, address):
            ledger.retire(account, prefix)


def _grant(ledger: Ledger, account: Account, node: NodeName, address: Address) -> Refusal | None:
    if any(address in prefix for prefix in ledger.blocks_of(account, node)):
        return None
    value, version = int(address), address.version
    single = prefix_at(version, value, 1)
    if single in account.retired and account.retired[single][0] == node:
        ledger.restore(account, single)
        if account.blocks.get(single) == node:
            return None
    taken = (account.taken(version), ledger.taken_on(node, version))
    if any(ranges.end_of_overlap(value, value) is not None for ranges in taken):
        return _why_not(account, node, address)
    ledger.grant(account, node, version, value, 1)
    return None


def _why_not(account: Account, node: NodeName, address: Address) -> Refusal:
    asks = f"it asks for address {address} of network {account.name}"
    for prefix, holder in account.blocks.items():
        if address in prefix:
            return Refusal(
                reason=f"{asks}, which is in block {prefix} of node {holder}",
                remedy="Choose an address outside all blocks, best at the end of a subnet, "
                f"or let the pod run on node {holder}",
            )
    for prefix, (holder, _) in account.retired.items():
        if address in prefix:
            return Refusal(
                reason=f"{asks}, which node {holder} had until now",
                remedy="It is free once every node has confirmed that",
            )
    return Refusal(
        reason=f"{asks}, which another network has on node {node}",
        remedy="Choose an address that no network with the same subnet uses on the pod's nodes",
    )


def _subnets(network: VirtualNetwork) -> frozenset[Prefix]:
    return frozenset(subnet.prefix for subnet in network.subnets)
