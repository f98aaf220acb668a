"""How many addresses of each network this node uses, and how many it still has."""

from __future__ import annotations

from collections import Counter

from agent.engine import Engine
from agent.metrics import NetworkUse
from compiler.names import NodeNumber
from compiler.plan import NetworkPlan, Presence


def usage_of(engine: Engine) -> tuple[NetworkUse, ...]:
    """By name: networks that are present here, and those that only their last pods keep here.

    Counted in pods, each with an address of every IP version of its network.
    """
    with engine.changed:
        used = Counter(str(lease.network_name) for lease in engine.store.leases.values())
        plan = engine.plan
    room: dict[str, int] = {}
    for network in plan.networks if plan else ():
        if plan is not None and network.presence is Presence.PRESENT:
            room[str(network.name)] = _room(network, plan.number)
    return tuple(
        NetworkUse(network=name, used=used[name], free=max(0, room.get(name, 0) - used[name]))
        for name in sorted(room.keys() | used.keys())
    )


def _room(network: NetworkPlan, node: NodeNumber) -> int:
    """Pods that find room in the node's blocks: the scarcer IP version decides."""
    own = [block.prefix for block in network.blocks if block.node == node]
    ends = {end for subnet in network.subnets if subnet.version == 4 for end in (subnet[0], subnet[-1])}
    return min(
        (
            sum(
                block.num_addresses - sum(end in block for end in ends)
                for block in own
                if block.version == version
            )
            for version in {subnet.version for subnet in network.subnets}
        ),
        default=0,
    )
