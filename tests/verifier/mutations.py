"""Faults made from what the compiler rendered: every line of a node's texts, wronged in ways that suit it.

An operator takes one text and yields it with one thing changed. Layout lines: dropped, led elsewhere,
renumbered. Elements: dropped, swapped, given to another network. Rules: dropped, moved, widened, turned
about. Base chains: moved in front of or behind other software's. Nothing here knows what the judge does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    kind: str
    what: str
    """The line before and after, for people, and for the table of equivalents."""
    text: str


Operator = Callable[[str], Iterator[Mutant]]


def _replaced(lines: Sequence[str], at: int, new: Sequence[str], kind: str) -> Mutant:
    after = "; ".join(line.strip() for line in new) or "(gone)"
    text = "\n".join([*lines[:at], *new, *lines[at + 1 :]]) + "\n"
    return Mutant(kind=kind, what=f"{lines[at].strip()}  ->  {after}", text=text)


# Layouts.


def _lines(pattern: str, text: str) -> Iterator[tuple[list[str], int, re.Match[str]]]:
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if (match := re.match(pattern, line)) is not None:
            yield lines, at, match


def dropped(kind: str, pattern: str) -> Operator:
    def operator(text: str) -> Iterator[Mutant]:
        for lines, at, _ in _lines(pattern, text):
            yield _replaced(lines, at, [], kind)

    return operator


def changed(kind: str, pattern: str, found: str, new: str) -> Operator:
    """`found` and `new` as `re.sub` takes them; a line that stays as it was is no fault."""

    def operator(text: str) -> Iterator[Mutant]:
        for lines, at, _ in _lines(pattern, text):
            line = re.sub(found, new, lines[at], count=1)
            if line != lines[at]:
                yield _replaced(lines, at, [line], kind)

    return operator


def rotated(kind: str, pattern: str, found: str) -> Operator:
    """What `found` captures is exchanged for what the next different such line has there."""

    def operator(text: str) -> Iterator[Mutant]:
        lines = text.splitlines()
        places = [
            (at, m)
            for at, line in enumerate(lines)
            if re.match(pattern, line) and (m := re.search(found, line))
        ]
        values = list(dict.fromkeys(match[1] for _, match in places))
        for at, match in places:
            if len(values) > 1:
                other = values[(values.index(match[1]) + 1) % len(values)]
                line = lines[at][: match.start(1)] + other + lines[at][match.end(1) :]
                yield _replaced(lines, at, [line], kind)

    return operator


def added(kind: str, pattern: str, found: str, new: str) -> Operator:
    """A second line beside the one there is."""

    def operator(text: str) -> Iterator[Mutant]:
        for lines, at, _ in _lines(pattern, text):
            line = re.sub(found, new, lines[at], count=1)
            if line != lines[at] and line not in lines:
                yield _replaced(lines, at, [lines[at], line], kind)

    return operator


_POD_ROUTE = r"ip -\d route add \S+ dev at"
_BLOCK_ROUTE = r"ip -\d route add .* dev vx"
_OUT_ROUTE = r"ip -\d route add .* dev ah"
_REFUSING = r"ip -\d route add .* dev vn"
_HOST_ROUTE = r"ip -\d route add .* dev hh"
_VXLAN = r"ip link add vx"

LAYOUTS: tuple[Operator, ...] = (
    dropped("route of a pod gone", _POD_ROUTE),
    dropped("route of a remote block gone", _BLOCK_ROUTE),
    dropped("route by the host link gone", _OUT_ROUTE),
    dropped("refusing route gone", _REFUSING),
    dropped("probe route gone", _HOST_ROUTE),
    rotated("route in another network's table", _POD_ROUTE, r" table (\d+)"),
    rotated("route in another network's table", _BLOCK_ROUTE, r" table (\d+)"),
    rotated("route by another pod's port", _POD_ROUTE, r" dev (\S+)"),
    rotated("route by another network's VXLAN", _BLOCK_ROUTE, r" dev (\S+)"),
    rotated("route to another node", _BLOCK_ROUTE, r"via (?:inet6 )?(fe80::\d+)"),
    added("leaked route", _POD_ROUTE, r" table 100000(\d)", r" table 1000003"),
    added("leaked route", _BLOCK_ROUTE, r" table 100000(\d)", r" table 1000003"),
    changed("pod route widened", _POD_ROUTE, r"/(32|128)", r"/30"),
    changed("route into the main table", _POD_ROUTE, r" table \d+", " table 254"),
    changed("refusing route outside", _REFUSING, r" dev vn(\d+)", r" dev hh\1"),
    rotated("refusing route by another VRF", _REFUSING, r" dev (\S+)"),
    changed(
        "refusing route unreachable", _REFUSING, r"route add (\S+) dev vn\d+", r"route add unreachable \1"
    ),
    rotated("probe by another host link", _HOST_ROUTE, r" dev (\S+)"),
    rotated("probe route for another pod", _HOST_ROUTE, r"route add (\S+)"),
    changed("probe source forgotten", _HOST_ROUTE, r" src \S+", ""),
    rotated("wrong group", r"ip link set (vn|vx|at)\S* group", r" group (\d+)"),
    rotated("wrong group", r"ip link set ah\S* group", r" group (\d+)"),
    changed("wrong group", r"ip link set (vn|vx|at|ah|hh)\S* group", r" group \d+", " group 0"),
    changed("host link in its network's group", r"ip link set ah(\d+) group", r"group 6553(\d)", r"group \1"),
    changed("outside end in a network's group", r"ip link set hh(\d+) group", r"group 131072", r"group 1"),
    rotated("wrong master", r"ip link set (vx|at|ah)\S* group", r" master (\S+)"),
    changed("no master", r"ip link set (vx|at|ah)\S* group", r" master \S+", ""),
    changed("link down", r"ip link set (vn|vx|ah|hh|at)\S* group", r" up$", ""),
    rotated("VNI swapped", _VXLAN, r" id (\d+)"),
    changed("VNI of nobody", _VXLAN, r" id \d+", " id 1999999"),
    changed("VXLAN from another address", _VXLAN, r" local \S+", " local 192.0.2.77"),
    changed("VXLAN port", _VXLAN, r" dstport \d+", " dstport 4789"),
    rotated("VRF table swapped", r"ip link add vn", r" table (\d+)"),
    rotated("host-link address swapped", r"ip address add \S+ dev ah", r"add (\S+)"),
    rotated("host-link address swapped", r"ip address add \S+ dev hh", r"add (\S+)"),
    dropped("host-link address gone", r"ip address add"),
    rotated("neighbour of another node", r"ip neighbour add fe80::\d+ .* dev vx", r"lladdr (\S+)"),
    dropped("neighbour gone", r"ip neighbour add fe80::\d+ .* dev vx"),
    dropped("host link's neighbour gone", r"ip neighbour add .* dev (ah|hh)"),
    dropped("pod's neighbour gone", r"ip neighbour add .* dev at"),
    rotated("pod's neighbour wrong", r"ip neighbour add .* dev at", r"lladdr (\S+)"),
    changed("no next hop", _OUT_ROUTE, r" via \S+", ""),
    changed("no next hop", _HOST_ROUTE, r" via \S+", ""),
    changed("no next hop", _BLOCK_ROUTE, r" via (inet6 )?\S+", ""),
    changed("next hop of nobody", _OUT_ROUTE, r" via \S+", " via 100.64.99.99"),
    changed("next hop of nobody", _HOST_ROUTE, r" via \S+", " via 100.64.99.99"),
    changed("pod behind another", _POD_ROUTE, r" dev at", " via 10.1.0.77 dev at"),
    rotated("host link's neighbour wrong", r"ip neighbour add .* dev ah", r"lladdr (\S+)"),
    changed("forwarding to another node", r"bridge fdb add", r"dst 192.0.2.(\d)", r"dst 192.0.2.\g<1>0"),
    rotated("forwarding to another node", r"bridge fdb add", r"dst (\S+)"),
    dropped("forwarding gone", r"bridge fdb add"),
    rotated("forwarding of another address", r"bridge fdb add", r"add (\S+)"),
    dropped("routing rule gone", r"ip -\d rule (add|del)"),
    changed("local table first", r"ip -\d rule add pref 60", r"pref 60", "pref 40"),
    changed("host table for everyone", r"ip -\d rule add pref 61", r" iif lo", ""),
    changed("host table after main", r"ip -\d rule add pref 61", r"pref 61", "pref 32800"),
    changed("host table before the VRFs", r"ip -\d rule add pref 61", r"pref 61", "pref 49"),
    changed("VRFs asked last", r"ip -\d rule add pref 50", r"pref 50", "pref 32800"),
    changed("VRFs after the local table", r"ip -\d rule add pref 50", r"pref 50", "pref 61"),
    changed("family forgotten", r"ip -6 rule", r"ip -6", "ip -4"),
)


# Rulesets.

_ELEMENT = re.compile(r"^\t\t\t(?P<key>[^\"]+?)(?: comment \"[^\"]*\")?(?: : (?P<value>[^,]+))?,?$")


_OPENING = ("peers", "infrastructure4", "infrastructure6", "egress")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Set:
    name: str
    first: int
    """Line of the first element."""
    elements: tuple[str, ...]
    """Without commas."""


def _sets(lines: Sequence[str]) -> Iterator[_Set]:
    name = ""
    for at, line in enumerate(lines):
        if (match := re.match(r"\t(?:set|map) (\w+) \{", line)) is not None:
            name = match[1]
        if line == "\t\telements = {":
            end = lines.index("\t\t}", at)
            yield _Set(
                name=name, first=at + 1, elements=tuple(e.removesuffix(",") for e in lines[at + 1 : end])
            )


def _with_elements(lines: Sequence[str], of: _Set, elements: Sequence[str], kind: str, what: str) -> Mutant:
    new = [f"{element}," for element in elements[:-1]] + list(elements[-1:])
    before, after = lines[: of.first], lines[of.first + len(of.elements) :]
    if not elements:
        before, after = before[:-1], after[1:]
    return Mutant(kind=f"{kind} of {of.name}", what=what, text="\n".join([*before, *new, *after]) + "\n")


def elements(text: str) -> Iterator[Mutant]:
    """Of every set and map: each element gone; each value and each network another's; one more network."""
    lines = text.splitlines()
    for of in _sets(lines):
        for at, element in enumerate(of.elements):
            rest = [*of.elements[:at], *of.elements[at + 1 :]]
            yield _with_elements(lines, of, rest, "element gone", element.strip())
            for kind, changed_element in _altered(of, element):
                keys = [_key(one) for one in rest]
                if _key(changed_element) in keys:
                    continue
                new = [*of.elements[:at], changed_element, *of.elements[at + 1 :]]
                what = f"{element.strip()}  ->  {changed_element.strip()}"
                yield _with_elements(lines, of, new, kind, what)
                if kind == "element of another network" and of.name in _OPENING:
                    both = [*of.elements, changed_element]
                    yield _with_elements(lines, of, both, "element more", changed_element.strip())


def _key(element: str) -> str:
    match = _ELEMENT.match(element)
    assert match is not None, element
    return match["key"]


def _altered(of: _Set, element: str) -> Iterator[tuple[str, str]]:
    match = _ELEMENT.match(element)
    assert match is not None, element
    key, value = match["key"], match["value"]
    others = [_ELEMENT.match(other) for other in of.elements]
    values = list(dict.fromkeys(other["value"] for other in others if other and other["value"]))
    if value is not None and len(values) > 1:
        other = values[(values.index(value) + 1) % len(values)]
        yield "value swapped", element[: match.start("value")] + other
    groups = list(dict.fromkeys(m[1] for o in of.elements if (m := re.match(r"\t\t\t(\d+) ", o))))
    if (group := re.match(r"(\d+)( |$)", key)) is not None and len(groups) > 1:
        other = groups[(groups.index(group[1]) + 1) % len(groups)]
        yield "element of another network", element.replace(group[1], other, 1)
    if re.search(r" \d+\.\d+\.\d+\.\d+ . (tcp|udp) . ", key):
        yield "port in the key", re.sub(r" . (tcp|udp) . (\d+)", r" . \1 . 9", element, count=1)
        yield "protocol in the key", re.sub(r" . (tcp|udp) . ", r" . sctp . ", element, count=1)
    if value is not None and re.search(r" \. \d+$", value):
        yield "port of a backend", re.sub(r"(\d+)$", "9", element)
    if "/" in key:
        yield "range narrowed", re.sub(r"/(\d+)", lambda m: f"/{int(m[1]) + 2}", element, count=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chain:
    name: str
    base: int | None
    """Line of `type ... hook ...`."""
    rules: tuple[int, ...]


def _chains(lines: Sequence[str]) -> Iterator[_Chain]:
    name, base, rules = "", None, list[int]()
    for at, line in enumerate(lines):
        if (match := re.match(r"\tchain (\w+) \{", line)) is not None:
            name, base, rules = match[1], None, []
        elif name and line == "\t}":
            yield _Chain(name=name, base=base, rules=tuple(rules))
            name = ""
        elif name and line.startswith("\t\ttype "):
            base = at
        elif name:
            rules.append(at)


def rules(text: str) -> Iterator[Mutant]:
    """Of every rule: gone, after the next one, and each verdict, match and device group another."""
    lines = text.splitlines()
    for chain in _chains(lines):
        if chain.base is None and re.search(rf"(goto|jump) {chain.name}\b", text) is None:
            continue  # a choice of so many backends as no Service here has
        for at, after in zip(chain.rules, (*chain.rules[1:], None), strict=True):
            named = f"{chain.name}: {lines[at].strip()}"
            yield Mutant(kind="rule gone", what=named, text="\n".join([*lines[:at], *lines[at + 1 :]]) + "\n")
            if after is not None and not _are_twins(lines[at], lines[after]):
                swapped = [*lines[:at], lines[after], lines[at], *lines[after + 1 :]]
                what = f"{named}  <->  {lines[after].strip()}"
                yield Mutant(kind="rules swapped", what=what, text="\n".join(swapped) + "\n")
            for kind, found, new in _TURNS:
                line = re.sub(found, new, lines[at], count=1)
                if line != lines[at]:
                    mutant = _replaced(lines, at, [line], kind)
                    yield Mutant(kind=kind, what=f"{chain.name}: {mutant.what}", text=mutant.text)


def _are_twins(one: str, other: str) -> bool:
    """One rule for each family: no packet meets both, so their order is nothing."""
    other = re.sub(r"\bip6\b", "ip", other.replace("icmpv6", "icmp"))
    return re.sub(r"(@\w+)6\b", r"\g<1>4", other) == one


_TURNS: tuple[tuple[str, str, str], ...] = (
    ("accept becomes drop", r" accept$", " drop"),
    ("drop becomes accept", r" drop$", " accept"),
    ("refusal becomes silence", r"goto refuse$", "drop"),
    ("refusal becomes accept", r"goto refuse$", "accept"),
    ("reset becomes silence", r"reject with .*$", "drop"),
    ("groups widened", r"1-65534", "0-131072"),
    ("groups narrowed", r"1-65534", "2-65534"),
    ("groups narrowed", r"65537-131070", "65538-131070"),
    ("host links' group", r"oifgroup 131072", "oifgroup 131071"),
    ("negation lost", r" != ", " "),
    ("negated", r"(daddr|saddr|iifkind|oifkind) (@|\")", r"\1 != \2"),
    ("source for destination", r"ip daddr", "ip saddr"),
    ("destination for source", r"ip saddr", "ip daddr"),
    ("family swapped", r"ip6 (saddr|daddr)", r"ip \1"),
    ("leaving for coming", r"oifgroup", "iifgroup"),
    ("coming for leaving", r"iifgroup", "oifgroup"),
    ("masquerade without a device", r"oifgroup 0 ip", "ip"),
    ("source translation without a device", r"oifgroup 65537-131070 snat", "snat"),
    ("translation elsewhere", r"dnat ip to iifgroup . ip daddr", "dnat ip to iifgroup . ip saddr"),
    ("set swapped", r"@infrastructure4", "@vips4"),
    ("set swapped", r"@cluster4", "@service_ranges4"),
    ("set swapped", r"@underlay4", "@cluster4"),
    ("reply for original", r"ct direction reply", "ct direction original"),
    ("state forgotten", r"ct state (established|related) ", ""),
    ("state widened", r"ct state established", "ct state new,established"),
    ("type forgotten", r"fib daddr type local ", ""),
    ("port of the overlay", r"udp dport 14789", "udp dport 4789"),
    ("port of the overlay widened", r"udp dport 14789", "udp dport 14789-14999"),
    ("look back forgotten", r"fib saddr . iif oif missing ", ""),
    ("mark kept", r"meta mark set 0$", "meta mark set 1"),
    ("choices", r"mod 2 ", "mod 4 "),
    ("choices", r"mod 3 ", "mod 2 "),
    ("choices", r"offset 0xa7000000", "offset 0xa7000001"),
    ("kind", r"\"vrf\"", '"vxlan"'),
)


def bases(text: str) -> Iterator[Mutant]:
    """Base chains at other hooks and priorities, or with another policy."""
    lines = text.splitlines()
    for chain in _chains(lines):
        if chain.base is None:
            continue
        line = lines[chain.base]
        moved = [("policy", re.sub(r"policy accept", "policy drop", line))]
        moved += [
            ("priority", re.sub(r"priority [^;]+;", f"priority {priority};", line))
            for priority in (-400, -250, -150, -50, 150)
        ]
        moved += [
            ("hook", re.sub(r"hook \w+", f"hook {hook}", line))
            for hook in ("prerouting", "forward", "postrouting", "input", "output")
            if " nat " not in line
        ]
        for kind, new in moved:
            if new != line:
                mutant = _replaced(lines, chain.base, [new], kind)
                yield Mutant(kind=f"{kind} of a chain", what=f"{chain.name}: {mutant.what}", text=mutant.text)


RULESETS: tuple[Operator, ...] = (elements, rules, bases)
