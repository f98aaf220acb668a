"""The fixed number of sets and maps of the ruleset, and what each means.

nftables slows down with the number of sets in a table, not with their size: so never a set, map or
chain for one network, pod or service. The keys carry the network instead. `Sense` says how a set
bears on what may pass; `compiler.ruleset.tightened` follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Sense(StrEnum):
    """What more elements do."""

    OPENS = "opens"
    """Each element lets packets pass that would not."""
    CLOSES = "closes"
    """Each element refuses packets that would pass."""
    STEERS = "steers"
    """Elements translate, number or name; what they lead to is judged by the sets that open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SetSpec:
    """One set or map: `value` is None for a set."""

    name: str
    key: str
    value: str | None = None
    interval: bool = False
    sense: Sense
    meaning: str


def _families(name: str, key: str, value: str | None, **rest: object) -> tuple[SetSpec, SetSpec]:
    """A pair, one for each address family: nftables keys have one type."""

    def of(version: str, protocol: str) -> SetSpec:
        return SetSpec(
            name=name + version,
            key=key.replace("ip ", f"{protocol} "),
            value=value.replace("ip ", f"{protocol} ") if value else None,
            **rest,  # type: ignore[arg-type]  # the two callers' keywords are SetSpec's own
        )

    return of("4", "ip"), of("6", "ip6")


_SERVICE_KEY: Final = "iifgroup . ip daddr . meta l4proto . th dport"

SETS: Final[tuple[SetSpec, ...]] = (
    SetSpec(
        name="zones",
        key="iifgroup",
        value="ct zone",
        sense=Sense.STEERS,
        meaning="conntrack zone of a network's devices: its routing domain",
    ),
    SetSpec(
        name="peers",
        key="iifgroup . oifgroup",
        sense=Sense.OPENS,
        meaning="networks that may talk, a network with itself included",
    ),
    *_families(
        "vips",
        _SERVICE_KEY,
        "verdict",
        sense=Sense.STEERS,
        meaning="service ports that a network may ask: how many backends to choose from",
    ),
    *_families(
        "backends",
        f"{_SERVICE_KEY} . meta mark",
        "ip daddr . th dport",
        sense=Sense.STEERS,
        meaning="the backend behind each choice",
    ),
    *_families(
        "infrastructure",
        _SERVICE_KEY,
        None,
        sense=Sense.OPENS,
        meaning="endpoints of the default network that a network may reach by its host link",
    ),
    SetSpec(
        name="egress",
        key="iifgroup",
        sense=Sense.OPENS,
        meaning="networks that may leave the cluster",
    ),
    *_families(
        "cluster",
        "ip daddr",
        None,
        interval=True,
        sense=Sense.CLOSES,
        meaning="where egress never leads: the cluster's own ranges, and what is no address of one host",
    ),
    *_families(
        "service_ranges",
        "ip daddr",
        None,
        interval=True,
        sense=Sense.CLOSES,
        meaning="where Services have their addresses",
    ),
    *_families(
        "isolated",
        "ip daddr",
        "verdict",
        sense=Sense.CLOSES,
        meaning="addresses of Services with backends in networks, as others meet them",
    ),
    SetSpec(
        name="isolated_ports",
        key="meta l4proto . th dport",
        sense=Sense.CLOSES,
        meaning="node ports of Services with backends in networks",
    ),
    *_families(
        "hairpins",
        "oifgroup . ip saddr . ip daddr",
        None,
        sense=Sense.STEERS,
        meaning="a pod that reaches itself through a Service",
    ),
    *_families(
        "host_links",
        "oifgroup",
        "ip saddr",
        sense=Sense.STEERS,
        meaning="source address of a network's packets on its host link, and of its hairpins",
    ),
    *_families(
        "underlay",
        "ip saddr",
        None,
        sense=Sense.OPENS,
        meaning="nodes whose VXLAN packets are taken",
    ),
)

SET_NAMES: Final = tuple(spec.name for spec in SETS)
