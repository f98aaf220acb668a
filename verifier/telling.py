"""Findings in words: who does what to whom that is not as declared, and where that was declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from compiler.names import NetworkNumber, ObjectName
from compiler.problem import Origin
from verifier.address_text import address_text
from verifier.due import Claim, Due
from verifier.entries import Entry
from verifier.fabric import Fabric
from verifier.holding import Finding
from verifier.outcome import Fate, Outcome, Step
from verifier.violation import Example, Kind, Violation

_SENTENCES: Final[Mapping[Kind, str]] = {
    Kind.LEAK: "{who} reaches {target}, which it may not",
    Kind.BLOCKED: "{who} does not reach {target}, which it may",
    Kind.SILENT: "{who} gets no answer from {target}, where it must be refused at once",
    Kind.MISDIRECTED: "what {who} sends to {target} goes elsewhere",
    Kind.FORGED: "{who} may send with a source that is not its own",
    Kind.EXPOSED: "what {who} sends to {target} has a wrong source",
    Kind.TOUCHED: "what {who} sends to {target} is changed or stopped, though it is none of Atoll's",
}


def told(fabric: Fabric, entry: Entry, finding: Finding, way: tuple[Step, ...]) -> Violation:
    packet, claim, outcome = finding.packet, finding.claim, finding.flow.outcome
    family = packet.family
    target = _target(fabric, family, packet.daddr, claim)
    sentence = _SENTENCES[finding.kind].format(who=entry.who, target=target)
    if finding.remark:
        sentence = f"{sentence}: {finding.remark}"
    return Violation(
        kind=finding.kind,
        node=fabric.name,
        sentence=sentence,
        expected=_expected(fabric, claim) if finding.kind is not Kind.FORGED else "dropped",
        found=_found(finding),
        example=Example(link=entry.link, sender=entry.who, packet=packet),
        way=way,
        origins=_origins(fabric, entry, claim, outcome),
    )


def _target(fabric: Fabric, family: int, daddr: int, claim: Claim | None) -> str:
    address = address_text((family, daddr))
    if claim and claim.due is Due.SERVICE:
        return f"Service {claim.service} at {address}"
    port = fabric.local.get((family, daddr))
    owner = port.network if port else (claim.network if claim else None)
    known = fabric.meaning.networks.get(owner) if owner else None
    return f"{address} of {known.name}" if known else address


def _expected(fabric: Fabric, claim: Claim | None) -> str:
    if claim is None:
        return ""
    match claim.due:
        case Due.BLOCK if claim.network is not None:
            return f"{claim.due}, in network {fabric.meaning.networks[claim.network].name} on {claim.node}"
        case Due.SERVICE:
            backends = sorted(claim.backends)[:8]
            return f"{claim.due}: {len(claim.backends)}, such as port {backends[0][1]}" if backends else ""
        case _:
            return str(claim.due)


def _found(finding: Finding) -> str:
    outcome, sent = finding.flow.outcome, finding.flow.sent
    parts = [str(outcome.fate)]
    if outcome.link:
        parts.append(f"by {outcome.link}")
    if outcome.remote:
        parts.append(f"to {address_text(outcome.remote)}")
    if outcome.vni is not None:
        parts.append(f"as network {outcome.vni}")
    if finding.flow.translated_destination and sent.daddr:
        port = f" port {sent.dport[0][0]}" if sent.dport else ""
        parts.append(f"translated to {address_text((sent.family, sent.daddr[0][0]))}{port}")
    if finding.flow.translated_source and sent.saddr:
        parts.append(f"with source {address_text((sent.family, sent.saddr[0][0]))}")
    if outcome.reason:
        parts.append(f"({outcome.reason})")
    return " ".join(parts)


def _origins(fabric: Fabric, entry: Entry, claim: Claim | None, outcome: Outcome) -> tuple[Origin, ...]:
    """The sender's network, the one meant and the one that it got to."""
    numbers: list[NetworkNumber] = []
    if entry.network is not None:
        numbers.append(entry.network)
    if claim and claim.network is not None:
        numbers.append(claim.network)
    reached = next((port.network for port in fabric.ports if port.link == outcome.link), None)
    if outcome.fate is Fate.PORT and reached is not None:
        numbers.append(reached)
    if claim and claim.service is not None:
        numbers += _listing(fabric, claim.service)
    return fabric.meaning.origins(*dict.fromkeys(numbers))


def _listing(fabric: Fabric, service: ObjectName) -> list[NetworkNumber]:
    """Networks with endpoints behind a Service."""
    behind = {b.network for p in fabric.meaning.services.ports if p.service == service for b in p.backings}
    return sorted(number for number in behind if number in fabric.meaning.networks)
