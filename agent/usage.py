"""How many addresses of each network this node uses, and how many it still has."""

from __future__ import annotations

from collections import Counter

from agent.engine import Engine
from agent.metrics import NetworkUse
from compiler.plan import Presence


def usage_of(engine: Engine) -> tuple[NetworkUse, ...]:
    """By name: networks that are present here, and those that only their last pods keep here.

    Counted in pods, each with an address of every IP version of its network.
    """
    with engine.changed:
        used = Counter(str(lease.network_name) for lease in engine.store.leases.values())
        plan = engine.plan
        room = {
            str(network.name): engine.room_of(network.number)
            for network in (plan.networks if plan else ())
            if network.presence is Presence.PRESENT
        }
    return tuple(
        NetworkUse(network=name, used=used[name], free=max(0, room.get(name, 0) - used[name]))
        for name in sorted(room.keys() | used.keys())
    )
