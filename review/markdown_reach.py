"""Who reaches whom: what a reviewer reads first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from review.headline import consent_text, counted, listed
from review.markdown_parts import (
    Section,
    bullets,
    clipped,
    graded,
    left_out,
    line_text,
    names,
    quoted,
)
from review.markdown_text import details, prose, table
from review.model import Arrival, Bearing, Bond, ConsentKind, Reacher, Review, Setting

_SIZES: Final = (60, 12, 3, 0)
_FEW: Final = 4
"""So many lines are enough to find the place."""
_PAIRS: Final = 6
"""So many pairs of one bond are written out; more are a set of networks."""


def sections(review: Review) -> Iterator[Section]:
    pods = {one.network: one.pods for one in review.reachers} if review.knows_pods else {}
    for title, bonds in (("May newly talk", review.gained), ("Talk no more", review.lost)):
        if bonds:
            yield _bonds(title, bonds, pods)
    if review.networks_added:
        yield _arrivals("Networks added", review.networks_added, review)
    if review.networks_removed:
        yield _arrivals("Networks removed", review.networks_removed, review)
    if review.settings:
        yield _settings(review.settings)
    if review.consents:
        yield _consents(review)
    if review.cuts:
        yield _cuts(review)
    if review.moves:
        yield _moves(review)
    if review.reachers:
        yield _reachers(review)


def _bonds(title: str, bonds: tuple[Bond, ...], pods: Mapping[str, int]) -> Section:
    pairs = sum(len(bond.pairs) for bond in bonds)

    def form(size: int) -> Iterator[str]:
        yield f"### {title}: {counted(pairs, 'pair')}"
        yield ""
        for bond in bonds[:size]:
            yield from _bond(bond, pods, lines=min(size, 20))
        yield from left_out(sum(len(bond.pairs) for bond in bonds[size:]), "pair")

    return graded(_SIZES, form)


def _bond(bond: Bond, pods: Mapping[str, int], *, lines: int) -> Iterator[str]:
    if len(bond.pairs) <= _PAIRS:
        for left, right in bond.pairs:
            yield f"- **{_network(left, pods)} and {_network(right, pods)}**"
    else:
        counts = f"{len(bond.pairs):,} pairs of {len(bond.networks):,} networks"
        yield f"- **{counts}**: {names(bond.networks, max(lines, 3))}"
    for cause in bond.causes[:lines]:
        yield f"  - by {prose(clipped(cause, 600))}"
    for line in bond.lines[:lines]:
        yield f"  - {line_text(line)}"
    hidden = len(bond.lines) - lines
    if hidden > 0:
        yield f"  - and {counted(hidden, 'line')} more"


def _network(name: str, pods: Mapping[str, int]) -> str:
    return f"{quoted(name)} ({counted(pods[name], 'pod')})" if name in pods else quoted(name)


def _arrivals(title: str, arrivals: tuple[Arrival, ...], review: Review) -> Section:
    def text(one: Arrival) -> str:
        pods = f", {counted(one.pods, 'pod')}" if review.knows_pods else ""
        lines = "; ".join(map(line_text, one.lines[:_FEW]))
        return f"{quoted(one.network)}: {names(one.subnets, 4)}{pods}; {lines}"

    shown = [text(one) for one in arrivals[: _SIZES[0]]]

    def form(size: int) -> Iterator[str]:
        yield f"### {title}: {len(arrivals):,}"
        yield ""
        yield from (f"- {item}" for item in shown[:size])
        yield from left_out(len(arrivals) - size, "network")

    return graded(_SIZES, form)


_BEARINGS: Final = {
    Bearing.OPENS: "opens",
    Bearing.CUTS: "cuts",
    Bearing.BOTH: "opens and cuts",
    Bearing.NEITHER: "",
}


def _settings(settings: tuple[Setting, ...]) -> Section:
    def row(setting: Setting) -> tuple[str, ...]:
        return (
            quoted(setting.object),
            prose(setting.what),
            quoted(listed(setting.before)),
            quoted(listed(setting.after)),
            _BEARINGS[setting.bearing],
            "<br>".join(line_text(line) for line in setting.lines[:_FEW]),
        )

    def form(size: int) -> Iterator[str]:
        yield f"### Settings that are other: {len(settings):,}"
        yield ""
        if size:
            yield from table(
                ("object", "what", "before", "after", "", "lines"), [row(one) for one in settings[:size]]
            )
        yield from left_out(len(settings) - size, "setting")

    return graded(_SIZES, form)


_CONSENTS: Final = {
    ConsentKind.ASKED: "asked",
    ConsentKind.GIVEN: "given",
    ConsentKind.WITHDRAWN: "withdrawn",
    ConsentKind.NO_LONGER_ASKED: "no longer asked",
}


def _consents(review: Review) -> Section:
    def form(size: int) -> Iterator[str]:
        yield f"### Consents: {len(review.consents):,}"
        yield ""
        for consent in review.consents[:size]:
            yield f"- {_CONSENTS[consent.kind]} {prose(clipped(consent_text(consent), 1_000))}"
            for line in consent.lines[:_FEW]:
                yield f"  - {line_text(line)}"
        yield from left_out(len(review.consents) - size, "consent")

    return graded(_SIZES, form)


def _cuts(review: Review) -> Section:
    items = [
        prose(clipped(cut.what, 1_000)) + (f" ({counted(cut.pods, 'pod')})" if review.knows_pods else "")
        for cut in review.cuts
    ]

    def form(size: int) -> Iterator[str]:
        yield f"### Connections that are cut: {len(items):,}"
        yield ""
        yield from bullets(items, size, "cut")

    return graded(_SIZES, form)


def _moves(review: Review) -> Section:
    def form(size: int) -> Iterator[str]:
        yield f"### Pods that join otherwise: {sum(move.count for move in review.moves):,}"
        yield ""
        yield from bullets(
            [
                f"{counted(move.count, 'pod')} ({names(move.pods, 3)}): "
                f"{prose(clipped(move.before))} -> {prose(clipped(move.after))}"
                for move in review.moves
            ],
            size,
            "kind of move",
        )

    return graded(_SIZES, form)


def _reachers(review: Review) -> Section:
    reachers = review.reachers

    def form(size: int) -> Iterator[str]:
        listed = min(size, len(reachers))
        content = table(_HEAD, [_row(one, review, size) for one in reachers[:listed]]) if size else []
        content += left_out(len(reachers) - listed, "network")
        yield from details(f"Networks, namespaces, pods and Services concerned: {len(reachers):,}", content)

    return graded((200, 40, 8, 0), form)


_HEAD: Final = ("network", "pods of namespaces", "newly reaches", "reaches no more", "Services")


def _row(one: Reacher, review: Review, size: int) -> tuple[str, ...]:
    shown = min(size, 8)
    shares = ", ".join(f"{quoted(share.namespace)} {share.pods:,}" for share in one.namespaces[:shown])
    more = len(one.namespaces) - shown
    services = [f"+ {quoted(name)}" for name in one.services_gained[:shown]]
    services += [f"- {quoted(name)}" for name in one.services_lost[:shown]]
    hidden = len(one.services_gained[shown:]) + len(one.services_lost[shown:])
    return (
        quoted(one.network),
        (f"{shares} and {more:,} more" if more > 0 else shares or "none")
        if review.knows_pods
        else "not known",
        names(one.gains, shown),
        names(one.loses, shown),
        "<br>".join(services) + (f"<br>and {hidden:,} more" if hidden else ""),
    )
