"""Pieces of the sentences in statuses and events."""

from __future__ import annotations

from collections.abc import Collection

from compiler.problem import Problem, Severity
from controller.cluster.coverage import Coverage

SHORT = 12
"""Digits of a commit, in texts."""


def commit(revision: str) -> str:
    return f"commit {revision[:SHORT]}" if revision else "no commit yet"


def sentence(*parts: str) -> str:
    """The parts that are not empty, with semicolons between them and a capital first; no full stop."""
    text = "; ".join(part for part in parts if part)
    return text[:1].upper() + text[1:]


def counted(count: int, noun: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def some(names: Collection[object], total: int | None = None) -> str:
    """`a, b and 3 more`: the names, of which there are `total`."""
    hidden = (len(names) if total is None else total) - len(names)
    listed = ", ".join(str(name) for name in names)
    return f"{listed} and {hidden} more" if hidden > 0 else listed


def on_nodes(coverage: Coverage) -> str:
    """`on 3 of 4 nodes`."""
    if not coverage.needed:
        return "on no node, for none needs it"
    return f"on {coverage.ready} of {counted(coverage.needed, 'node')}"


def laggards(coverage: Coverage) -> str:
    """What the other nodes do; "" where there are none."""
    parts = [f"{one.node}: {one.error}" for one in coverage.failures]
    if coverage.failed > len(parts):
        parts.append(f"{coverage.failed - len(parts)} more failed")
    if coverage.applying:
        verb = "is" if coverage.applying == 1 else "are"
        parts.append(f"{some(coverage.waiting, coverage.applying)} {verb} applying")
    if coverage.held:
        parts.append(f"{counted(coverage.held, 'node')} not reached by the rollout")
    return "; ".join(parts)


def in_short(problems: Collection[Problem], severity: Severity) -> str:
    """The first of a severity, and how many more there are; "" where there is none."""
    chosen = [problem for problem in problems if problem.severity is severity]
    if not chosen:
        return ""
    more = f" (and {counted(len(chosen) - 1, severity.value)} more)" if len(chosen) > 1 else ""
    first = chosen[0]
    place = f"{first.origin}: " if first.origin else ""
    return f"{place}{first.code}: {first.subject}: {first.reason}. {first.remedy}{more}"
