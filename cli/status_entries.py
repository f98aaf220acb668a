"""Facts of one object as its entry in the report."""

from __future__ import annotations

from collections.abc import Collection

from cli.status_board import Facts
from cli.status_facts import AnyItem, Happening, LeaseSpec, NetworkItem, NodeItem, RouterItem, SourceItem
from cli.status_report import (
    CarriedEntry,
    ControllerEntry,
    EventEntry,
    NetworkEntry,
    NodeEntry,
    Planned,
    RouterEntry,
    SourceEntry,
    State,
)
from controller.cluster.reasons import ConditionType
from controller.cluster.resource_status import NetworkStatus, NodeStatus, RouterStatus, SourceStatus


def controller_entry(lease: LeaseSpec) -> ControllerEntry:
    return ControllerEntry(
        leader=lease.holder_identity or "",
        since=lease.acquire_time or "",
        renewed=lease.renew_time or "",
        transitions=lease.lease_transitions or 0,
    )


def source_entry(item: SourceItem, facts: Facts) -> SourceEntry:
    spec, status = item.spec, item.status or SourceStatus()
    ref = spec.ref
    followed = {"branch": ref.branch, "tag": ref.tag, "commit": ref.commit}
    return SourceEntry(
        name=str(item.key),
        url=spec.url,
        ref=" ".join(f"{kind} {value}" for kind, value in followed.items() if value),
        path=spec.path,
        counts=item is min(facts.sources, key=lambda one: (one.created, one.key)),
        suspended=spec.suspend,
        state=_state(item),
        seen=status.last_seen_revision,
        attempted=status.last_attempted_revision,
        applied=status.last_applied_revision,
        verified=_message(item, ConditionType.VERIFIED),
        in_sync=_message(item, ConditionType.IN_SYNC),
        nodes=status.nodes,
        rollout=status.rollout,
        problems=status.problems,
        problem_count=status.problem_count or len(status.problems),
    )


def network_entry(item: NetworkItem) -> NetworkEntry:
    status = item.status or NetworkStatus()
    return NetworkEntry(
        name=str(item.key),
        number=status.number,
        origin=item.origin,
        revision=item.revision,
        state=_state(item),
        in_sync=_message(item, ConditionType.IN_SYNC),
        pods=status.pods,
        free=status.free,
        addresses=status.addresses,
        nodes=status.nodes,
        deleting=item.deleting,
    )


def router_entry(item: RouterItem) -> RouterEntry:
    status = item.status or RouterStatus()
    return RouterEntry(
        name=str(item.key),
        type=item.spec.type,
        origin=item.origin,
        revision=item.revision,
        state=_state(item),
        in_sync=_message(item, ConditionType.IN_SYNC),
        networks=status.networks,
        connected=status.connected,
        waiting_for=status.waiting_for,
        nodes=status.nodes,
        deleting=item.deleting,
    )


def node_entry(item: NodeItem, carried: Collection[str] = ()) -> NodeEntry:
    """`carried`: the networks to tell of."""
    spec, status = item.spec, item.status or NodeStatus()
    used = {one.network: one.used for one in status.addresses}
    return NodeEntry(
        name=item.key.name,
        number=spec.number,
        address=spec.address,
        state=_state(item),
        planned=Planned(
            revision=spec.revision, generation=spec.generation, digest=spec.digest, at=item.written
        ),
        applied=status.applied,
        up_to_date=status.applied is not None and status.applied.digest == spec.digest and not status.errors,
        errors=status.errors,
        warnings=status.warnings,
        leaving=status.leaving,
        networks=status.networks,
        pods=status.attachments,
        agent_version=status.agent_version,
        carries=tuple(
            CarriedEntry(name=one.name, presence=one.presence, blocks=one.blocks, used=used.get(one.name, 0))
            for one in spec.networks
            if one.name in carried
        ),
    )


def event_entry(event: Happening) -> EventEntry:
    return EventEntry(
        at=event.at,
        type="Warning" if event.warning else "Normal",
        regarding=str(event.regarding),
        reason=event.reason,
        note=event.note,
    )


def _state(item: AnyItem) -> State:
    ready = item.says(ConditionType.READY)
    if ready is None:
        return State()
    return State(
        ready=ready.status, reason=ready.reason, message=ready.message, since=ready.last_transition_time
    )


def _message(item: AnyItem, of: ConditionType) -> str:
    said = item.says(of)
    return said.message if said else ""
