"""One conntrack zone for each routing domain: replies meet their connections, equal five-tuples do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from compiler.names import NetworkNumber
from verifier.entries import Entry
from verifier.fabric import Fabric
from verifier.violation import Kind, Violation


def check_zones(fabric: Fabric, seen: Iterable[tuple[Entry, frozenset[int | None]]]) -> Iterator[Violation]:
    """`seen`: the zones of what each entry let through."""
    of_network: dict[NetworkNumber, int] = {}
    for entry, zones in seen:
        if not zones:
            continue
        if entry.network is None or entry.link == _outside(fabric, entry.network):
            if zones != {None}:
                yield _wrong(fabric, f"packets of {entry.who} are tracked in a zone of networks")
            continue
        if len(zones) > 1 or zones & {None, 0}:
            sentence = f"packets of {entry.who} by {entry.link} are tracked with everyone else's"
            yield _wrong(fabric, sentence, entry.network)
            continue
        zone = next(iter(zones))
        assert zone is not None
        if of_network.setdefault(entry.network, zone) != zone:
            sentence = f"packets of {entry.who} by {entry.link} are in another zone than its network's others"
            yield _wrong(fabric, sentence, entry.network)
    yield from _domains(fabric, of_network)


def _outside(fabric: Fabric, network: NetworkNumber) -> str | None:
    link = fabric.host_links.get(network)
    return link.peer if link else None


def _domains(fabric: Fabric, zones: Mapping[NetworkNumber, int]) -> Iterator[Violation]:
    """The first network of each domain and of each zone stands for the others."""
    networks = fabric.meaning.networks
    first_of_domain: dict[frozenset[NetworkNumber], NetworkNumber] = {}
    first_of_zone: dict[int, NetworkNumber] = {}
    for number, zone in sorted(zones.items()):
        mate = first_of_domain.setdefault(networks[number].domain, number)
        if zones[mate] != zone:
            sentence = f"{networks[mate].name} and {networks[number].name} are one domain in two zones"
            yield _wrong(fabric, sentence, mate, number)
        other = first_of_zone.setdefault(zone, number)
        if networks[other].domain != networks[number].domain:
            sentence = f"{networks[other].name} and {networks[number].name} are two domains in one zone"
            yield _wrong(fabric, sentence, other, number)


def _wrong(fabric: Fabric, sentence: str, *networks: NetworkNumber) -> Violation:
    return Violation(
        kind=Kind.ZONE, node=fabric.name, sentence=sentence, origins=fabric.meaning.origins(*networks)
    )
