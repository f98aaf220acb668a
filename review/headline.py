"""The verdict, and the few sentences that say everything in short.

However large a change is, each kind of news has its sentence: what cannot be named is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from review.model import Bearing, Bond, Consent, ConsentKind, Matter, Move, Review, Setting, Verdict

WAITS: Final = "waits: "
"""How `Move` tells of pods without a network."""
NAMED: Final = 3
"""So many names a sentence lists."""


def verdict_of(review: Review) -> Verdict:
    if any(finding.matter is Matter.ERROR for finding in review.findings):
        return Verdict.REFUSED
    bearings = {setting.bearing for setting in review.settings}
    opens = bool(review.gained) or not bearings.isdisjoint((Bearing.OPENS, Bearing.BOTH))
    cuts = bool(review.lost or review.networks_removed or review.cuts)
    cuts = cuts or not bearings.isdisjoint((Bearing.CUTS, Bearing.BOTH))
    if opens and cuts:
        return Verdict.OPENS_AND_CUTS
    if opens or cuts:
        return Verdict.OPENS if opens else Verdict.CUTS
    rest = (
        review.networks_added,
        review.settings,
        review.consents,
        review.moves,
        review.reachers,
        review.allotted,
        review.node_groups,
    )
    return Verdict.CHANGES if any(rest) else Verdict.NOTHING


_TITLES: Final = {
    Verdict.REFUSED: "refused",
    Verdict.OPENS_AND_CUTS: "opens and cuts",
    Verdict.OPENS: "opens",
    Verdict.CUTS: "cuts",
    Verdict.CHANGES: "changes nobody's reach",
    Verdict.NOTHING: "changes nothing",
}


def title(review: Review) -> str:
    """As `Atoll review: opens and cuts`."""
    return f"Atoll review: {_TITLES[review.verdict]}"


def headline_of(review: Review) -> tuple[str, ...]:
    return tuple(_sentences(review))


def _sentences(review: Review) -> Iterator[str]:
    errors = sum(finding.matter is Matter.ERROR for finding in review.findings)
    if errors:
        yield f"{counted(errors, 'error')}: nothing of this comes into force, the last good commit stays."
    if review.verdict in (Verdict.CHANGES, Verdict.NOTHING):
        yield _nothing(review)
    yield from _bonds(review.gained, "may newly talk")
    yield from _bonds(review.lost, "talk no more")
    yield from _networks("added", [one.network for one in review.networks_added])
    yield from _networks("removed", [one.network for one in review.networks_removed])
    yield from _settings(review.settings)
    yield from _consents(review.consents)
    if review.cuts:
        named = some([cut.what for cut in review.cuts])
        yield (
            f"Connections are cut {named}."
            if review.cuts[0].what.startswith(("between", "from", "some from"))
            else (f"Connections are cut: {named}.")
        )
    yield from _moves(review.moves)
    yield from _new_warnings(review)


def _moves(moves: Iterable[Move]) -> Iterator[str]:
    gathered: dict[str, int] = {}
    for move in moves:
        if move.after.startswith(WAITS):
            deed = "would have to wait when started again"
        else:
            deed = "no longer waits" if move.before.startswith(WAITS) else "joins another network"
        gathered[deed] = gathered.get(deed, 0) + move.count
    for deed, pods in gathered.items():
        yield f"{counted(pods, 'pod')} {deed if pods == 1 else _PLURAL_DEEDS.get(deed, deed)}."


_PLURAL_DEEDS: Final = {"no longer waits": "no longer wait", "joins another network": "join another network"}


def _nothing(review: Review) -> str:
    calm = "Nobody reaches anything that was not reached before, and nothing is cut"
    if not review.knows_pods:
        return f"{calm}."
    nodes = sum(len(group.nodes) for group in review.node_groups)
    plans = f"the plans of {counted(nodes, 'node')} differ" if nodes else "no plan differs"
    return f"{calm}; {plans}."


def _bonds(bonds: Sequence[Bond], verb: str) -> Iterator[str]:
    pairs = [pair for bond in bonds for pair in bond.pairs]
    if not pairs:
        return
    if len(pairs) <= NAMED:
        yield "; ".join(f"{left} and {right} {verb}" for left, right in pairs) + "."
        return
    networks = sorted({name for pair in pairs for name in pair})
    yield f"{counted(len(pairs), 'pair')} of {counted(len(networks), 'network')} {verb}: {some(networks)}."


def _networks(verb: str, names: Sequence[str]) -> Iterator[str]:
    if len(names) == 1:
        yield f"Network {names[0]} is {verb}."
    elif names:
        yield f"{len(names):,} networks are {verb}: {some(names)}."


def _settings(settings: Sequence[Setting]) -> Iterator[str]:
    """In the order of the first of each; those that open or cut are never only counted."""
    gathered: dict[str, list[str]] = {}
    for bearing in (True, False):
        for setting in settings:
            if (setting.bearing is not Bearing.NEITHER) is bearing:
                for deed in deeds_of(setting):
                    gathered.setdefault(deed, []).append(setting.object.removeprefix("VirtualNetwork "))
    told = [f"{some(objects)} {deed}" for deed, objects in gathered.items()]
    for sentence in told[:MOST]:
        yield f"{sentence}."
    if len(told) > MOST:
        yield f"{counted(len(told) - MOST, 'setting')} more differ."


MOST: Final = 8


def deeds_of(setting: Setting) -> Iterator[str]:
    """What a setting does, as it follows the object's name."""
    before, after = setting.before, setting.after
    match setting.what:
        case "egress" if setting.bearing is Bearing.OPENS:
            yield "may newly leave the cluster"
        case "egress":
            yield "may no longer leave the cluster"
        case "infrastructure":
            more = [entry for entry in after if entry not in before]
            less = [entry for entry in before if entry not in after]
            if more:
                yield f"may newly reach {some(more)} of the default network"
            if less:
                yield f"may no longer reach {some(less)} of the default network"
        case "other namespaces":
            yield f"admits other namespaces by another selector: {listed(before)} -> {listed(after)}"
        case what:
            yield f"has other {what}: {listed(before)} -> {listed(after)}"


_CONSENTS: Final = {
    ConsentKind.ASKED: "Consent is asked",
    ConsentKind.GIVEN: "Consent is given",
    ConsentKind.WITHDRAWN: "Consent is withdrawn",
    ConsentKind.NO_LONGER_ASKED: "Consent is no longer asked",
}


def _consents(consents: Iterable[Consent]) -> Iterator[str]:
    gathered: dict[ConsentKind, list[str]] = {}
    for consent in consents:
        gathered.setdefault(consent.kind, []).append(consent_text(consent))
    for kind, told in gathered.items():
        yield f"{_CONSENTS[kind]}: {some(told)}."


def consent_text(consent: Consent) -> str:
    match consent.kind:
        case ConsentKind.ASKED | ConsentKind.NO_LONGER_ASKED:
            return f"by router {consent.importer} of router {consent.awaited}"
        case ConsentKind.GIVEN:
            return f"by router {consent.awaited} to router {consent.importer}"
        case ConsentKind.WITHDRAWN:
            return f"by router {consent.awaited} from router {consent.importer}"


def _new_warnings(review: Review) -> Iterator[str]:
    nouns = {
        Matter.CAPACITY: "capacity warning",
        Matter.WITHOUT_EFFECT: "declaration without effect",
        Matter.WAITING: "warning of what waits",
        Matter.OTHER: "other warning",
    }
    for matter, noun in nouns.items():
        number = sum(finding.new and finding.matter is matter for finding in review.findings)
        if number:
            yield f"New: {counted(number, noun)}."


def listed(values: Sequence[str]) -> str:
    """A side of a setting."""
    return ", ".join(values) or "none"


def some(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    listed = ", ".join(names[:NAMED])
    return listed if len(names) <= NAMED else f"{listed} and {len(names) - NAMED:,} more"


_PLURALS: Final = {"class": "classes", "entry": "entries"}


def counted(number: int, noun: str) -> str:
    """`1 pair`, `2 pairs`, `1,000 entries`, `2 declarations without effect`."""
    if number == 1:
        return f"1 {noun}"
    first, space, rest = noun.partition(" ")
    if space and rest.startswith(("without", "of")):
        return f"{number:,} {_PLURALS.get(first, f'{first}s')} {rest}"
    return f"{number:,} {_PLURALS.get(noun, f'{noun}s')}"
