"""A ruleset as a value: constant chains and the elements of a fixed number of sets.

The committed state is held in memory, and a change is one transaction of element deltas. The text
of a transaction is exactly what nft gets; nothing in it comes from an input but through typed
values, and comments, which only ever hold checked names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from compiler.sets import SETS, Sense, SetSpec

TABLE: Final = "inet atoll"
MAX_COMMENT: Final = 128
"""Bytes, by libnftables (NFTNL_UDATA_COMMENT_MAXLEN)."""


class Element(NamedTuple):
    """One element of a set or map. A tuple, for there may be 50,000."""

    value: str | None
    comment: str


Elements = Mapping[str, Element]
"""By key, in canonical order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruleset:
    """All of table `inet atoll`."""

    chains: str
    sets: Mapping[str, Elements]
    """For every name in SET_NAMES."""

    @property
    def text(self) -> str:
        """The whole table, as `nft -f` takes it."""
        return f"table {TABLE} {{\n{''.join(_set_texts(self))}\n{self.chains}}}\n"


def transaction(old: Ruleset | None, new: Ruleset) -> str:
    """The one transaction that leads from old to new; "" where they are equal.

    From None, or where the chains differ, the whole table is replaced: atomically all the same.
    """
    if old is None or old.chains != new.chains:
        return f"add table {TABLE}\ndelete table {TABLE}\n{new.text}"
    commands: list[str] = []
    for spec in SETS:
        before, after = old.sets[spec.name], new.sets[spec.name]
        if before is after:
            continue
        gone = [key for key, element in before.items() if after.get(key) != element]
        come = {key: element for key, element in after.items() if before.get(key) != element}
        if gone:
            commands.append(f"delete element {TABLE} {spec.name} {{ {', '.join(gone)} }}\n")
        if come:
            elements = ", ".join(element_text(key, element) for key, element in come.items())
            commands.append(f"add element {TABLE} {spec.name} {{ {elements} }}\n")
    return "".join(commands)


def tightened(old: Ruleset, new: Ruleset) -> Ruleset:
    """What both allow, with the new translation: in force while links and routes change.

    Sets that open shrink to their intersection, sets that close grow to their union; a set that
    steers may be the new one at once, since what it leads to is judged by the others.
    """
    return Ruleset(
        chains=new.chains,
        sets={spec.name: _tightened_set(spec, old.sets[spec.name], new.sets[spec.name]) for spec in SETS},
    )


def _tightened_set(spec: SetSpec, old: Elements, new: Elements) -> Elements:
    if old == new:
        return new
    match spec.sense:
        case Sense.OPENS:
            return {key: element for key, element in new.items() if key in old}
        case Sense.CLOSES if not spec.interval:
            return {**old, **new}
        case _:
            return new


def _set_texts(ruleset: Ruleset) -> Iterator[str]:
    for spec in SETS:
        yield set_text(spec, ruleset.sets[spec.name])


def set_text(spec: SetSpec, elements: Elements) -> str:
    """One set or map with its elements, as it stands in the table."""
    kind = "set" if spec.value is None else "map"
    value = f" : {spec.value}" if spec.value else ""
    flags = "\t\tflags interval\n" if spec.interval else ""
    lines = ",\n".join(f"\t\t\t{element_text(key, element)}" for key, element in elements.items())
    content = f"\t\telements = {{\n{lines}\n\t\t}}\n" if elements else ""
    return (
        f"\t# {spec.meaning}\n\t{kind} {spec.name} {{\n\t\ttypeof {spec.key}{value}\n{flags}{content}\t}}\n"
    )


def element_text(key: str, element: Element) -> str:
    """One element as it stands in its set."""
    comment = f' comment "{element.comment}"' if element.comment else ""
    value = f" : {element.value}" if element.value is not None else ""
    return f"{key}{comment}{value}"


def comment(text: str) -> str:
    """Cut to what nft takes; the names within are ASCII by their patterns."""
    return text if len(text) <= MAX_COMMENT else f"{text[: MAX_COMMENT - 1]}~"
