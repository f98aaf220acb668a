"""The verifier's line of a review: what is proved of HEAD, or the first violations."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.model import Declarations
from review.headline import counted
from review.model import Certificate
from review.model_cluster import NOTE, model_cluster
from review.proof import Unjudged, prove_with_first_pods
from verifier.certificate import Counts
from verifier.judge import Verdict

SHOWN: Final = 10


def certificate_of_model(declarations: Declarations) -> Certificate:
    """Of declarations whose cluster is not known."""
    compilation = compile(declarations, model_cluster(declarations), Allocations())
    certificate = certificate_of(compilation, "a model of ")
    return structs.replace(certificate, details=(NOTE, *certificate.details))


def certificate_of(compilation: Compilation, kind: str = "") -> Certificate:
    """Of a compilation that is not refused. `kind`: of cluster, as it stands before `2 nodes`."""
    try:
        proof = prove_with_first_pods(compilation)
    except Unjudged as error:
        return Certificate(proved=False, line=f"The verifier does not understand what was compiled: {error}.")
    verdict = proof.verdict
    if verdict.proved:
        details = proof.remarked.certificate.assumptions
        parts = (f"{_proof(verdict, kind)}.", proof.tried, proof.missing)
        line = " ".join(filter(None, parts)).rstrip(".")
        return Certificate(proved=True, line=line, details=details)
    number = counted(len(verdict.violations), "violation")
    return Certificate(
        proved=False,
        line=f"{number} of what was declared; atoll verify tells each with a packet and its way",
        details=tuple(str(violation) for violation in verdict.violations[:SHOWN]),
    )


def _proof(verdict: Verdict, kind: str) -> str:
    counts: Counts = verdict.certificate.counts
    return (
        f"on {kind}{counted(counts.nodes, 'node')} exactly what is declared may pass, and nothing else: "
        f"{counted(counts.classes, 'class of packets')} at {counted(counts.entries, 'entry')}, "
        f"digest {verdict.certificate.digest[:12]}"
    )
