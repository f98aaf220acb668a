"""What each step of a packet means: the rule in words, the networks of its element, their declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from compiler.device_names import HOST_LINK_GROUP, OUTSIDE_GROUP
from compiler.names import NetworkNumber
from review.explain_answer import Step
from verifier.meaning import Meaning
from verifier.outcome import Step as Met

WORDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("classify", "goto overlay", "VXLAN between nodes, by a device that is not Atoll's"),
    ("classify", "missing", "its source does not lead back to where it came from: forged"),
    ("classify", "ct zone", "tracked in the zone of its routing domain"),
    ("overlay", "missing", "VXLAN from somewhere else than its sender: forged"),
    ("overlay", "notrack", "the overlay itself is not tracked"),
    ("classify_own", "notrack", "the overlay itself is not tracked"),
    ("services", "goto services_of_network", "comes from a network: is it for a Service?"),
    ("services", "vmap @isolated", "for a Service of networks, by somebody outside them"),
    ("services", "@isolated_ports", "for a node port of a Service of networks"),
    ("services_of_own", "vmap @isolated", "for a Service of networks, by the node itself"),
    ("services_of_own", "@isolated_ports", "for a node port of a Service of networks"),
    ("services_of_network", "vmap @vips", "a Service that the network may ask"),
    ("refuse", "reject", "refused at once, with an answer"),
    ("mixed", "vmap @vips", "a Service with backends in the default network as well"),
    ("mixed", "goto refuse", "a Service that answers nobody here"),
    ("translate", "map @backends", "sent to the backend that was picked"),
    ("translate", "dnat", "goes where it was going; kube-proxy leaves it alone from here"),
    ("forget_choice", "meta mark set 0", "the choice of a backend is forgotten"),
    ("input", "@underlay", "VXLAN from an address that is no node's"),
    ("input", "iifgroup", "a network never talks to a node"),
    ("forward", 'oifkind "vrf"', "the network has no way to this address"),
    ("forward", "@peers accept", "the two networks may talk"),
    ("forward", "goto leaving", "leaves the network"),
    ("forward", "ct direction reply", "an answer, back over the host link"),
    ("forward", "@underlay", "VXLAN to a node is not forwarded"),
    ("forward", "goto refuse", "nobody outside talks to a network"),
    ("leaving", "goto to_host", "by the host link"),
    ("leaving", "goto refuse", "the two networks may not talk"),
    ("to_host", "invalid", "belongs to no connection"),
    ("to_host", "established", "an answer to somebody outside"),
    ("to_host", "related", "an error about a connection"),
    ("to_host", "@infrastructure", "infrastructure that the network may ask"),
    ("to_host", "fib daddr type local", "a network never talks to a node"),
    ("to_host", "@egress", "may leave the cluster"),
    ("to_host", "goto refuse", "neither infrastructure nor outside the cluster"),
    ("sources", "@host_links", "outside its VRF a network shows its host link's address"),
    ("sources", "masquerade", "leaves the node by the node's address"),
    ("pick", "numgen", "one of the backends is picked"),
    ("stick", "jhash", "the client's own backend is picked"),
)
"""Chain, a part of the rule, what it means; the first that fits counts. A test holds it complete."""

_LEADING: Final = re.compile(r"(\d+)(?: \. (\d+)(?![.\d:]))?")
_TABLE: Final = re.compile(r"table (\d+): ")


def words_of(chain: str, rule: str) -> str:
    """ "" for a rule that Atoll does not write."""
    for name, part, words in WORDS:
        exact = chain == name or (name in ("pick", "stick") and chain.removeprefix(name).isdigit())
        if exact and part in rule:
            return words
    return ""


def steps_of(meaning: Meaning, trace: tuple[tuple[str, Met], ...]) -> tuple[Step, ...]:
    return tuple(_step(meaning, node, met) for node, met in trace)


def _step(meaning: Meaning, node: str, met: Met) -> Step:
    numbers = tuple(_networks(meaning, met))
    return Step(
        node=node,
        hook=str(met.hook),
        link=met.link or "",
        chain=met.chain,
        rule=met.text,
        element=met.element,
        means=words_of(met.chain, met.text) if met.chain else _route(meaning, met),
        places=tuple(origin.place for origin in meaning.origins(*numbers)) if numbers else (),
    )


def _networks(meaning: Meaning, met: Met) -> Iterator[NetworkNumber]:
    """Whose the element is; both networks of a pair."""
    # "one of 3 backends, such as 7 . 10.96.0.10 . ..."
    leading = _LEADING.match(met.element.rpartition("such as ")[2])
    found = leading.groups() if leading else ()
    table = _TABLE.match(met.text) if not met.chain else None
    if table:
        found = (str(int(table[1]) - meaning.config.number_base),)
    for text in found if "@peers" in met.text else found[:1]:
        group = int(text or 0)
        number = NetworkNumber(group - HOST_LINK_GROUP if HOST_LINK_GROUP < group < OUTSIDE_GROUP else group)
        if number in meaning.networks:
            yield number


def _route(meaning: Meaning, met: Met) -> str:
    numbers = tuple(_networks(meaning, met))
    whose = f"the routes of {meaning.networks[numbers[0]].name}" if numbers else "the node's own routes"
    link = met.link or ""
    match link[:2]:
        case "vx":
            return f"{whose}: to another node, by VXLAN"
        case "ah":
            return f"{whose}: out of the network, by its host link"
        case "hh":
            return f"{whose}: into a network, by its host link"
        case "at":
            return f"{whose}: to a pod's port"
        case "vn":
            return f"{whose}: nowhere, so it is refused"
    return whose
