"""A review as one HTML page that needs nothing else: no script, and nothing fetched.

Every text is escaped, whoever wrote it, and the page forbids itself to load or run anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from review.headline import consent_text, counted, listed, title
from review.html_style import STYLE
from review.lines import printable
from review.markdown_details import approval, group_title
from review.model import Bearing, Bond, Finding, Line, Matter, NodeGroup, Review, Revision, Side
from review.picture import remarks
from review.svg import standings, svg

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_OPEN: Final = 10
"""Groups of nodes that are unfolded at first."""


def html(review: Review) -> str:
    """The same review gives the same bytes."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title(review))}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f"{''.join(_body(review))}</body>\n</html>\n"
    )


def _body(review: Review) -> Iterator[str]:
    yield from _verdict(review)
    errors = [_finding(one) for one in review.findings if one.matter is Matter.ERROR]
    yield from _section("Errors", _list(errors))
    yield from _policy(review)
    yield from _picture(review)
    yield from _section(_pairs("May newly talk", review.gained), map(_bond, review.gained))
    yield from _section(_pairs("Talk no more", review.lost), map(_bond, review.lost))
    yield from _arrivals(review)
    yield from _settings(review)
    yield from _consents(review)
    yield from _cuts(review)
    yield from _reachers(review)
    yield from _warnings(review)
    yield from _section("What this review could not know", _list(map(_text, review.unknown)))
    yield from _allotted(review)
    yield from _nodes(review)
    yield from _certificate(review)


def _verdict(review: Review) -> Iterator[str]:
    yield f'<header class="verdict {review.verdict.value}">\n<h1>{_text(title(review))}</h1>\n'
    yield from _list(map(_text, review.headline))
    if review.policy_line:
        yield f"<p><strong>Policy:</strong> {_text(review.policy_line)}</p>\n"
    if review.certificate:
        word, kind = ("Proved", "good") if review.certificate.proved else ("Not proved", "bad")
        yield f'<p><strong class="{kind}">{word}:</strong> {_text(review.certificate.line)}</p>\n'
    yield f'<p class="dim">From {_revision(review.base)} to {_revision(review.head)}.</p>\n</header>\n'


def _revision(revision: Revision) -> str:
    commit = f" ({_code(revision.commit)})" if revision.commit else ""
    return f"{_code(revision.name)}{commit}"


def _text(text: str) -> str:
    return escape(printable(text))


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _list(items: Iterable[str]) -> list[str]:
    lines = [f"<li>{item}</li>\n" for item in items]
    return ["<ul>\n", *lines, "</ul>\n"] if lines else []


def _section(name: str, content: Iterable[str]) -> Iterator[str]:
    lines = list(content)
    if lines:
        yield f"<h2>{_text(name)}</h2>\n"
        yield from lines


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows]
    head = "".join(f"<th>{head}</th>" for head in heads)
    return [f"<table>\n<tr>{head}</tr>\n", *lines, "</table>\n"] if lines else []


def _finding(one: Finding) -> str:
    place = f"{_code(one.place)} " if one.place else ""
    return f"{place}{one.code} {_text(f'{one.subject}: {one.reason}. {one.remedy}.')}"


def _line(line: Line) -> str:
    place = f"{line.path}:{line.line}" if line.line else line.path
    parts = [_code(place), _code(line.text) if line.text else "", f"of {_code(line.object)}"]
    verb = "removed" if line.side is Side.BASE else "written"
    if line.commit:
        parts.append(f"{verb} by {_code(line.commit[:10])} of {_text(line.author)}")
    elif line.side is Side.BASE:
        parts.append("removed")
    return " ".join(filter(None, parts))


def _policy(review: Review) -> Iterator[str]:
    breaches = review.policy.breaches if review.policy else ()
    items = []
    for breach in breaches:
        name = f"guard {_code(breach.guard)}" if breach.guard else "the policy itself"
        reason = f": {_text(breach.reason)}" if breach.reason else ""
        told = [_text(act.what) for act in breach.acts]
        if breach.more_acts:
            told.append(f"and {breach.more_acts:,} more")
        by, whose = _text(", ".join(breach.approved_by)), _text(", ".join(breach.approvers))
        told.append(approval(breach, by=by, whose=whose, refused='<strong class="bad">not approved</strong>'))
        items.append(f"{name} ({_code(breach.place)}){reason}\n{''.join(_list(told))}")
    yield from _section("Guarded rules", _list(items))


def _picture(review: Review) -> Iterator[str]:
    drawn = svg(review.picture)
    if drawn:
        more = " ".join(f"{remark}." for remark in remarks(review.picture))
        keys = "".join(standings(review.picture))
        yield f"<figure>\n{drawn}<figcaption>{keys}{more}</figcaption>\n</figure>\n"


def _pairs(name: str, bonds: Sequence[Bond]) -> str:
    return f"{name}: {counted(sum(len(bond.pairs) for bond in bonds), 'pair')}"


def _bond(bond: Bond) -> str:
    pairs = "; ".join(f"{_code(left)} and {_code(right)}" for left, right in bond.pairs)
    if len(bond.pairs) > 1:
        number = f"{len(bond.pairs):,} pairs of {len(bond.networks):,} networks"
        pairs = f"<details><summary>{number}</summary>{pairs}</details>"
    why = [*(f"by {_text(cause)}" for cause in bond.causes), *map(_line, bond.lines)]
    return f"<div>{pairs}\n{''.join(_list(why))}</div>\n"


def _arrivals(review: Review) -> Iterator[str]:
    for name, arrivals in (("added", review.networks_added), ("removed", review.networks_removed)):
        items = [
            f"{_code(one.network)}: {_text(', '.join(one.subnets))}"
            + (f", {counted(one.pods, 'pod')}" if review.knows_pods else "")
            + "".join(_list(map(_line, one.lines)))
            for one in arrivals
        ]
        yield from _section(f"Networks {name}: {len(items):,}", _list(items))


_BEARINGS: Final = {
    Bearing.OPENS: "opens",
    Bearing.CUTS: "cuts",
    Bearing.BOTH: "opens and cuts",
    Bearing.NEITHER: "",
}


def _settings(review: Review) -> Iterator[str]:
    rows = [
        (
            _code(one.object),
            _text(one.what),
            _code(listed(one.before)),
            _code(listed(one.after)),
            _BEARINGS[one.bearing],
            "<br>".join(map(_line, one.lines)),
        )
        for one in review.settings
    ]
    heads = ("object", "what", "before", "after", "", "lines")
    yield from _section(f"Settings that differ: {len(rows):,}", _table(heads, rows))


def _consents(review: Review) -> Iterator[str]:
    items = []
    for one in review.consents:
        kind = one.kind.value.replace("-", " ")
        items.append(f"{kind} {_text(consent_text(one))}{''.join(_list(map(_line, one.lines)))}")
    yield from _section("Consents", _list(items))


def _cuts(review: Review) -> Iterator[str]:
    cuts = [
        _text(cut.what) + (f" ({counted(cut.pods, 'pod')})" if review.knows_pods else "")
        for cut in review.cuts
    ]
    yield from _section("Connections that are cut", _list(cuts))
    moves = []
    for move in review.moves:
        pods = f"{counted(move.count, 'pod')} ({_text(', '.join(move.pods))})"
        moves.append(f"{pods}: {_text(move.before)} → {_text(move.after)}")
    yield from _section("Pods that join otherwise", _list(moves))


def _reachers(review: Review) -> Iterator[str]:
    rows = [
        (
            _code(one.network),
            ", ".join(f"{_code(share.namespace)} {share.pods:,}" for share in one.namespaces)
            if review.knows_pods
            else "not known",
            ", ".join(map(_code, one.gains)),
            ", ".join(map(_code, one.loses)),
            "<br>".join(
                (
                    *(f"+ {_code(name)}" for name in one.services_gained),
                    *(f"- {_code(name)}" for name in one.services_lost),
                )
            ),
        )
        for one in review.reachers
    ]
    heads = ("network", "pods of namespaces", "newly reaches", "reaches no more", "Services")
    yield from _section("Who is concerned", _table(heads, rows))


_MATTERS: Final = {
    Matter.CAPACITY: "Capacity",
    Matter.WITHOUT_EFFECT: "Declarations without effect",
    Matter.WAITING: "Waiting",
    Matter.OTHER: "Other warnings",
}


def _warnings(review: Review) -> Iterator[str]:
    for matter, name in _MATTERS.items():
        new = [_finding(one) for one in review.findings if one.new and one.matter is matter]
        yield from _section(f"{name}, new: {len(new):,}", _list(new))
    old = [_finding(one) for one in review.findings if not one.new and one.matter is not Matter.ERROR]
    if old:
        yield from _details(f"Warnings that BASE has too: {len(old):,}", _list(old))


def _details(summary: str, content: Iterable[str], *, opened: bool = False) -> Iterator[str]:
    yield f"<details{' open' if opened else ''}>\n<summary>{_text(summary)}</summary>\n"
    yield from content
    yield "</details>\n"


def _allotted(review: Review) -> Iterator[str]:
    rows = [
        ("retired" if one.retired else "given", one.what, _code(one.value), _code(one.owner), _text(one.node))
        for one in review.allotted
    ]
    if rows:
        retired = sum(one.retired for one in review.allotted)
        name = f"Numbers and blocks: {len(rows) - retired:,} given, {retired:,} retired"
        yield from _details(name, _table(("", "what", "value", "of", "node"), rows))


def _nodes(review: Review) -> Iterator[str]:
    changed = sum(len(group.nodes) for group in review.node_groups)
    groups = [
        "".join(_details(group_title(group), _group(group), opened=index < _OPEN))
        for index, group in enumerate(review.node_groups)
    ]
    yield from _section(f"Nodes: {changed:,} of {review.nodes:,} change", groups)


def _group(group: NodeGroup) -> Iterator[str]:
    plans = (f"{_code(one.node)} {_digest(one.before)} → {_digest(one.after)}" for one in group.nodes)
    yield f'<p class="dim">{", ".join(plans)}</p>\n'
    if not group.hunks:
        return
    yield "<pre>"
    for hunk in group.hunks:
        yield f'<span class="say"># {_text(f"{hunk.title}: {hunk.meaning}")}</span>\n'
        for line in hunk.lines:
            yield f'<span class="{"add" if line.startswith("+") else "cut"}">{_text(line)}</span>\n'
    yield "</pre>\n"


def _digest(digest: str) -> str:
    return _code(digest.removeprefix("sha256:")[:12]) if digest else "none"


def _certificate(review: Review) -> Iterator[str]:
    if review.certificate and review.certificate.details:
        name = "What the proof assumes" if review.certificate.proved else "The first violations"
        yield from _details(name, _list(map(_text, review.certificate.details)))
