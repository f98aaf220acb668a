"""The story of one network or one node: where it is declared, what became of it, and what happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from cli.status_facts import moment
from cli.status_overview import node_word, on_nodes
from cli.status_report import NetworkEntry, NodeEntry, Report, RouterEntry, State
from cli.status_text import (
    ago,
    event_lines,
    fact,
    finding_lines,
    heading,
    short,
    state_word,
    table,
    unread_line,
    verdict,
)
from controller.cluster.resource_status import MAX_COUNT, SubnetUse

_EVENTS = 15


def story(report: Report) -> Iterator[Text]:
    """Of a report that a name was given for."""
    now = moment(report.at)
    assert now is not None
    yield verdict(report)
    for finding in report.findings:
        yield Text()
        yield from finding_lines(finding, now)
    if report.unread:
        yield Text()
        yield from map(unread_line, report.unread)
    yield Text()
    for network in report.networks:
        yield from _network(network, report, now)
    if not report.networks:
        for node in report.nodes:
            yield from _node(node, now)
    if report.events:
        yield Text()
        yield heading("Events, newest last")
        yield from event_lines(report.events[-_EVENTS:], now)


def _network(network: NetworkEntry, report: Report, now: datetime) -> Iterator[Text]:
    number = f", number {network.number}" if network.number is not None else ""
    yield heading(f"VirtualNetwork {network.name}{number}")
    yield from _declared(network)
    yield from _said(network.state, now)
    if network.in_sync:
        yield fact("in sync", network.in_sync)
    if network.deleting:
        yield fact("deletion", f"asked for {ago(network.deleting, now)} ago")
    yield fact("pods", "not known" if network.pods is None else f"{network.pods:,}")
    for subnet in network.addresses:
        yield fact("subnet", _subnet(subnet))
    yield fact("nodes", on_nodes(network.nodes) or "not known")
    yield from _nodes_of(network, report, now)
    yield from _routers(report)


def _declared(entry: NetworkEntry | RouterEntry) -> Iterator[Text]:
    if entry.origin:
        yield fact("declared", f"{entry.origin}, last changed by commit {short(entry.revision)}")
    else:
        yield fact("declared", "by this object alone, by no commit")


def _said(state: State, now: datetime) -> Iterator[Text]:
    age = ago(state.since, now)
    yield fact("state", Text.assemble(state_word(state), f", for {age}" if age else ""))
    if state.message:
        yield fact("", state.message)


def _subnet(use: SubnetUse) -> str:
    free = f"{use.free:,}" if use.free < MAX_COUNT // 2 else "as many as needed"
    return f"{use.subnet}: {use.used:,} used, {free} free"


def _nodes_of(network: NetworkEntry, report: Report, now: datetime) -> Iterator[Text]:
    if not report.nodes:
        return
    yield Text()
    yield heading("On nodes", len(report.nodes))
    rows = []
    for node in report.nodes:
        here = next(one for one in node.carries if one.name == network.name)
        blocks = ", ".join(here.blocks)
        applied = node.applied
        commit = short(applied.revision) if applied else "none"
        rows.append((node.name, node_word(node), commit, here.presence, f"{here.used:,}", blocks))
    yield from table(("NODE", "STATE", "COMMIT", "PRESENCE", "USED", "BLOCKS"), rows)


def _routers(report: Report) -> Iterator[Text]:
    if not report.routers:
        return
    yield Text()
    yield heading("Routers", len(report.routers))
    yield from table(
        ("ROUTER", "STATE", "TYPE", "DECLARED", "CONNECTED WITH", "WAITS FOR"),
        (
            (
                router.name,
                state_word(router.state),
                router.type,
                router.origin,
                ", ".join(router.connected),
                ", ".join(router.waiting_for),
            )
            for router in report.routers
        ),
    )


def _node(node: NodeEntry, now: datetime) -> Iterator[Text]:
    yield heading(f"NodeNetwork {node.name}, number {node.number}")
    yield fact("address", node.address)
    yield from _said(node.state, now)
    planned, applied = node.planned, node.applied
    written = f"written {ago(planned.at, now)} ago"
    yield fact("planned", f"commit {short(planned.revision)}, generation {planned.generation}, {written}")
    if applied:
        since = f", for {ago(applied.at, now)}" if applied.at else ""
        current = "the same plan" if node.up_to_date else "an older plan"
        yield fact(
            "in force", f"commit {short(applied.revision)}, generation {applied.generation}, {current}{since}"
        )
    else:
        yield fact("in force", "no plan")
    yield fact("agent", node.agent_version or "has not reported")
    for error in node.errors:
        yield fact("error", error)
    for warning in node.warnings:
        yield fact("warning", warning)
    if node.leaving:
        yield fact("leaving", ", ".join(node.leaving))
    yield fact("pods", f"{node.pods:,} attached")
    if node.carries:
        yield Text()
        yield heading("Networks here", len(node.carries))
        yield from table(
            ("NETWORK", "PRESENCE", "USED", "BLOCKS"),
            ((one.name, one.presence, f"{one.used:,}", ", ".join(one.blocks)) for one in node.carries),
        )
