"""The whole cluster on a page: the verdict and what to do first, then who, what and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from rich.text import Text

from cli.problem_text import counted
from cli.status_facts import moment
from cli.status_report import NetworkEntry, NodeEntry, Report, RouterEntry, SourceEntry
from cli.status_text import (
    ago,
    event_lines,
    fact,
    finding_lines,
    heading,
    problem_lines,
    short,
    state_word,
    table,
    unread_line,
    verdict,
)
from compiler.problem import Severity
from controller.cluster.recovery import HALTED
from controller.cluster.resource_status import MAX_COUNT, NodeCount, SubnetUse

SHOWN = 20
"""So many networks, routers and nodes are listed without --all, those that are not well first."""
_PROBLEMS = 5
_EVENTS = 8
_NOTE = 120
"""Characters of an event; kubectl describe and the story of one object have all of it."""
_E = TypeVar("_E", NetworkEntry, RouterEntry, NodeEntry)


def overview(report: Report, *, everything: bool = False) -> Iterator[Text]:
    now = moment(report.at)
    assert now is not None
    limit = None if everything else SHOWN
    yield verdict(report)
    for finding in report.findings:
        yield Text()
        yield from finding_lines(finding, now)
    if report.unread:
        yield Text()
        yield from map(unread_line, report.unread)
    yield Text()
    yield from _controller(report, now)
    for source in report.sources:
        yield from source_lines(source, now)
    yield from _networks(report.networks, limit)
    yield from _routers(report.routers, limit)
    yield from _nodes(report.nodes, limit, now)
    if report.events:
        yield Text()
        yield heading("Events, newest last")
        yield from event_lines(report.events[-_EVENTS:], now, longest=_NOTE)


def _controller(report: Report, now: datetime) -> Iterator[Text]:
    office = report.controller
    if office is None:
        return
    yield heading("Controller")
    if office.leader:
        yield fact("leader", f"{office.leader}, for {ago(office.since, now) or '?'}")
    else:
        yield fact("leader", "none")
    yield fact("renewed", f"{ago(office.renewed, now) or '?'} ago; changes of office: {office.transitions}")


def source_lines(source: SourceEntry, now: datetime) -> Iterator[Text]:
    yield Text()
    yield heading(f"NetworkSource {source.name}")
    where = f"{source.url}, {source.ref}" + (f", in {source.path}" if source.path else "")
    yield fact("repository", where)
    if not source.counts:
        yield fact("counts", "no, another NetworkSource is older")
        return
    yield fact("in force", f"{short(source.applied)}{_reach(source)}")
    yield fact("seen", f"{short(source.seen)}{_judged(source)}")
    yield fact("signatures", source.verified or "not demanded")
    if source.rollout:
        rollout = source.rollout
        reached = (
            f": {rollout.released} of {counted(rollout.total, 'node')} released" if rollout.total else ""
        )
        since = f", begun {ago(rollout.since, now)} ago" if rollout.since else ""
        yield fact("rollout", f"{short(rollout.revision)}, stage {rollout.stage}{reached}{since}")
    if source.in_sync:
        yield fact("resources", source.in_sync)
    if source.suspended:
        yield fact("suspended", "no commit is looked at until spec.suspend is taken away")
    yield from _problems(source)


def _reach(source: SourceEntry) -> str:
    if not source.nodes or not source.applied or (source.rollout and source.rollout.stage != HALTED):
        return ""  # while a rollout is on, nodes are counted there
    return f" on {source.nodes.ready} of {counted(source.nodes.total, 'node')}"


def _judged(source: SourceEntry) -> str:
    """What became of the commit seen last."""
    if source.seen == source.applied:
        return ", the one in force" if source.applied else ""
    if source.rollout:
        return ", taken back" if source.rollout.stage == HALTED else ", being rolled out"
    if any(problem.severity == Severity.ERROR for problem in source.problems):
        return ", refused"
    return ""


def _problems(source: SourceEntry) -> Iterator[Text]:
    if not source.problems:
        return
    yield Text()
    yield heading("Problems", source.problem_count)
    for problem in source.problems[:_PROBLEMS]:
        yield from problem_lines(problem)
    yield from _more(source.problem_count - _PROBLEMS, "listed by kubectl describe networksource, up to 20")


def _networks(networks: Sequence[NetworkEntry], limit: int | None) -> Iterator[Text]:
    if not networks:
        return
    yield Text()
    yield heading("Networks", len(networks))
    shown = _first(networks, limit)
    yield from table(
        ("NETWORK", "STATE", "PODS", "ADDRESSES", "NODES"),
        (
            (one.name, state_word(one.state), _number(one.pods), used(one.addresses), on_nodes(one.nodes))
            for one in shown
        ),
    )
    yield from _more(len(networks) - len(shown), _rest(networks, shown))


def _routers(routers: Sequence[RouterEntry], limit: int | None) -> Iterator[Text]:
    if not routers:
        return
    yield Text()
    yield heading("Routers", len(routers))
    shown = _first(routers, limit)
    yield from table(
        ("ROUTER", "STATE", "TYPE", "NETWORKS", "CONNECTED WITH", "WAITS FOR"),
        (
            (
                one.name,
                state_word(one.state),
                one.type,
                _number(one.networks),
                _names(one.connected),
                _names(one.waiting_for),
            )
            for one in shown
        ),
    )
    yield from _more(len(routers) - len(shown), _rest(routers, shown))


def _nodes(nodes: Sequence[NodeEntry], limit: int | None, now: datetime) -> Iterator[Text]:
    if not nodes:
        return
    yield Text()
    yield heading("Nodes", len(nodes))
    shown = _first(nodes, limit)
    yield from table(
        ("NODE", "STATE", "COMMIT", "SINCE", "NETWORKS", "PODS", "ERRORS", "WARNINGS"),
        (
            (
                one.name,
                node_word(one),
                short(one.applied.revision if one.applied else ""),
                f"{ago(one.applied.at, now) if one.applied else ''}",
                str(one.networks),
                str(one.pods),
                str(len(one.errors)),
                str(len(one.warnings)),
            )
            for one in shown
        ),
    )
    yield from _more(len(nodes) - len(shown), _rest(nodes, shown))


def used(addresses: Sequence[SubnetUse]) -> str:
    """`3 of 1,022`: of the IP version with the fewest left, for a pod needs one of each."""
    families: dict[bool, list[SubnetUse]] = {}
    for subnet in addresses:
        families.setdefault(":" in subnet.subnet, []).append(subnet)
    if not families:
        return ""
    least = min(families.values(), key=lambda subnets: sum(one.free for one in subnets))
    total = sum(one.total for one in least)
    of = f"{total:,}" if total < MAX_COUNT else "as many as needed"
    return f"{sum(one.used for one in least):,} of {of}"


def on_nodes(nodes: NodeCount | None) -> str:
    return f"{nodes.ready} of {nodes.needed}" if nodes else ""


def node_word(node: NodeEntry) -> Text:
    """As state_word; a state that speaks of an older plan is none."""
    if node.state.ready == "True" and not node.up_to_date:
        return Text("behind", style="cyan")
    return state_word(node.state)


def _first(entries: Sequence[_E], limit: int | None) -> list[_E]:
    """As many as are shown, those that are not ready first."""
    ordered = sorted(entries, key=_is_well)
    return ordered[:limit] if limit is not None and len(ordered) > limit else list(entries)


def _is_well(entry: NetworkEntry | RouterEntry | NodeEntry) -> bool:
    current = not isinstance(entry, NodeEntry) or entry.up_to_date
    return entry.state.ready == "True" and current


def _rest(entries: Sequence[_E], shown: Sequence[_E]) -> str:
    ready = sum(map(_is_well, entries)) - sum(map(_is_well, shown))
    return f"{ready} of them ready; --all lists them"


def _more(count: int, where: str) -> Iterator[Text]:
    if count > 0:
        yield Text(f"  and {count:,} more, {where}", style="dim")


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 2} more" if len(listed) > 2 else ""
    return f"{', '.join(listed[:2])}{more}"
