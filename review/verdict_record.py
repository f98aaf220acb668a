"""A verdict as JSON: what `atoll verify --format json` prints, and the certificate file.

Described by `schemas/verdict.json`; tests hold both equal.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, json, structs

from verifier.certificate import Certificate, Counts
from verifier.judge import Verdict
from verifier.outcome import Step
from verifier.violation import Violation

FORMAT = 1
_TITLE: Final = "The verdict that `atoll verify --format json` prints"


class CountsRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """How much was looked at; sums over nodes."""

    nodes: int
    networks: int
    """Networks on nodes, present or carried."""
    entries: int
    """Places where packets come in."""
    classes: int
    """Sets of packets that fare alike."""
    regions: int
    """Pieces of them held against what was declared."""
    pairs_open: int
    """Ordered pairs of networks that may talk, node by node."""
    pairs_closed: int
    services: int
    """Ports of Services, as clients on nodes meet them."""
    unwitnessed: int
    """Networks with pods on a node that has no port to judge them by."""
    contested: int
    """Pieces about which the declarations say nothing definite."""

    @classmethod
    def of(cls, counts: Counts) -> CountsRecord:
        return cls(**{field.name: getattr(counts, field.name) for field in structs.fields(cls)})


class CertificateRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """What was proved, of what, under which assumptions."""

    format: int = FORMAT
    revision: str
    """The Git commit; empty for a plain directory."""
    digest: str
    """SHA-256 over the digests of all nodes' texts."""
    counts: CountsRecord
    assumptions: tuple[str, ...]

    @classmethod
    def of(cls, certificate: Certificate) -> CertificateRecord:
        return cls(
            revision=certificate.revision,
            digest=certificate.digest,
            counts=CountsRecord.of(certificate.counts),
            assumptions=certificate.assumptions,
        )


class StepRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that the packet met."""

    hook: str
    """Of netfilter, or `routing`."""
    chain: str
    text: str
    """The rule, or the route."""
    element: str
    """Of a set or map: what matched."""
    link: str
    """The device that the packet was on."""

    @classmethod
    def of(cls, step: Step) -> StepRecord:
        return cls(
            hook=step.hook, chain=step.chain, text=step.text, element=step.element, link=step.link or ""
        )


class DeclaredRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a declaration stands."""

    path: str
    line: int


class ViolationRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that is not as declared."""

    kind: str
    node: str
    sentence: str
    expected: str
    found: str
    packet: str
    """One that shows it; empty where it is no matter of single packets."""
    way: tuple[StepRecord, ...]
    """Of that packet, hook by hook."""
    declared: tuple[DeclaredRecord, ...]

    @classmethod
    def of(cls, violation: Violation) -> ViolationRecord:
        return cls(
            kind=violation.kind.value,
            node=violation.node,
            sentence=violation.sentence,
            expected=violation.expected,
            found=violation.found,
            packet=str(violation.example) if violation.example else "",
            way=tuple(map(StepRecord.of, violation.way)),
            declared=tuple(
                DeclaredRecord(path=origin.path, line=origin.line) for origin in violation.origins
            ),
        )


class VerdictRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether what nodes hold, or would hold, lets exactly those packets pass that were declared."""

    format: int = FORMAT
    proved: bool
    certificate: CertificateRecord
    """Of what was looked at; a proof only where `proved`."""
    violations: tuple[ViolationRecord, ...]

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictRecord:
        return cls(
            proved=verdict.proved,
            certificate=CertificateRecord.of(verdict.certificate),
            violations=tuple(map(ViolationRecord.of, verdict.violations)),
        )


def schema() -> dict[str, Any]:
    """The JSON Schema of a verdict, made from the classes: `schemas/verdict.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TITLE,
        **json.schema(VerdictRecord),
    }
