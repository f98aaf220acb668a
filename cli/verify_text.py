"""A verdict for people: the one word first, then each violation with a packet, its way and the declarations.

node-1: leak: what a pod of team-a/red sends to 10.2.0.1 of team-a/blue gets through
  packet    TCP from 10.1.0.1 to 10.2.0.1 port 0, of a pod of team-a/red by at...
  expected  refused at once
  found     delivered to a pod port
  way       forward forward     iifgroup . oifgroup @peers accept
                                ^ 1 . 2 comment "team-a/red > team-a/blue"
  declared  networks/red.yaml:7
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from cli.problem_text import counted, safe
from verifier.certificate import ASSUMPTIONS, Certificate, Counts
from verifier.judge import Verdict
from verifier.violation import Violation

_INDENT = " " * 12
"""Of what stands beside a label."""


def verdict_texts(verdict: Verdict, *, shown: int | None) -> Iterator[Text]:
    """Lines in the order to print them. `shown`: how many violations; None: all."""
    certificate = verdict.certificate
    if verdict.proved:
        yield Text("proved", style="bold green").append(
            f": {counted(certificate.counts.nodes, 'node')} let pass exactly what is declared",
            style="default",
        )
        yield from _remarks(certificate)
        yield from _certified(certificate)
        return
    groups = _alike(verdict.violations)
    yield Text("not proved", style="bold red").append(f": {_extent(verdict.violations)}", style="default")
    yield from _remarks(certificate)
    for group in groups[:shown]:
        yield Text()
        yield from _violation(group)
    left = len(groups) - len(groups[:shown])
    if left > 0:
        yield Text(f"\n{left:,} more like these not shown: --all shows them", "dim")


def _extent(violations: tuple[Violation, ...]) -> str:
    nodes = len({violation.node for violation in violations})
    return f"{counted(len(violations), 'violation')} on {counted(nodes, 'node')}"


def _alike(violations: Iterable[Violation]) -> list[list[Violation]]:
    """Violations that read the same on several nodes, together."""
    groups: dict[tuple[str, ...], list[Violation]] = {}
    for violation in violations:
        key = (violation.kind, violation.sentence, violation.expected, violation.found)
        groups.setdefault(key, []).append(violation)
    return list(groups.values())


def _violation(group: list[Violation]) -> Iterator[Text]:
    first = group[0]
    head = Text(f"{first.node}: ", style="bold")
    head.append(first.kind.value, style="bold red").append(f": {safe(first.sentence)}", style="default")
    others = {violation.node for violation in group} - {first.node}
    if others:
        head.append(f" (and on {counted(len(others), 'other node')})", style="dim")
    yield head
    for label, text in (
        ("packet", str(first.example) if first.example else ""),
        ("expected", first.expected),
        ("found", first.found),
    ):
        if text:
            yield _labelled(label, safe(text))
    yield from _way(first)
    for at, origin in enumerate(first.origins):
        yield _labelled("declared" if at == 0 else "", safe(origin.place))


def _way(violation: Violation) -> Iterator[Text]:
    places = [f"{step.hook} {step.chain}".strip() for step in violation.way]
    width = max(map(len, places), default=0)
    for at, (place, step) in enumerate(zip(places, violation.way, strict=True)):
        line = _labelled("way" if at == 0 else "", f"{place:{width}}  ")
        yield line.append(safe(step.text), style="cyan")
        if step.element:
            yield Text(f"{_INDENT}{'':{width}}  ^ {safe(step.element)}", style="dim")


def _labelled(label: str, text: str) -> Text:
    return Text(f"  {label:{len(_INDENT) - 2}}", style="dim").append(text, style="default")


def _remarks(certificate: Certificate) -> Iterator[Text]:
    """What a reader must know who thinks of a real cluster."""
    for remark in certificate.assumptions:
        if remark not in ASSUMPTIONS:
            yield _labelled("but", remark)


def _certified(certificate: Certificate) -> Iterator[Text]:
    counts = certificate.counts
    yield _labelled("judged", ", ".join(_judged(counts)))
    if counts.unwitnessed:
        yield _labelled(
            "unseen", f"{counted(counts.unwitnessed, 'network')} on nodes without a pod port there"
        )
    if counts.contested:
        yield _labelled(
            "unsaid", f"{counts.contested:,} places that two have claimed: nothing is said of them"
        )
    yield _labelled(
        "assuming", f"{counted(len(certificate.assumptions), 'thing')} of the world: see --certificate"
    )
    yield _labelled("digest", certificate.digest)


def _judged(counts: Counts) -> Iterator[str]:
    yield f"{counts.classes:,} classes of packets from {counted(counts.entries, 'place')}"
    yield f"{counts.pairs_open:,} open and {counts.pairs_closed:,} closed pairs of networks"
    yield counted(counts.services, "Service port")
