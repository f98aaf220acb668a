"""Which lines of a declaration made the difference, and who wrote them.

An object that is new or gone is its first line. One that differs is the lines of it that the other side
does not have: its own text is compared, so that an object may move, and files be renamed, for nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from compiler.model import Declarations
from compiler.problem import Origin
from review.model import Line, Side
from review.side import State

SHOWN = 160
"""Characters of a line."""
FEW = 4
"""So many lines of one object are enough to find the place."""

_LINE_END = re.compile(r"\r\n|\r|\n")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Of a line, to be asked about."""

    side: Side
    path: str
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Introduction:
    """The commit that a line came with, or went with."""

    commit: str
    author: str


Blame = Mapping[Place, Introduction]


@dataclass(kw_only=True, slots=True)
class Texts:
    """The objects of one state as ranges of lines."""

    state: State
    side: Side
    origins: Mapping[str, Origin]
    """By object, as `VirtualNetwork team-a/red`."""
    _lines: dict[str, list[str]] = field(default_factory=dict)
    _starts: dict[str, list[int]] = field(default_factory=dict)

    @staticmethod
    def of(state: State, side: Side) -> Texts:
        return Texts(state=state, side=side, origins=_origins(state.declarations))

    def range(self, subject: str) -> list[tuple[int, str]]:
        """The object's lines with their numbers; empty for an object that is not there."""
        origin = self.origins.get(subject)
        if origin is None:
            return []
        lines = self._of_file(origin.path)
        starts = self._starts[origin.path]
        following = bisect_right(starts, origin.line)
        end = starts[following] if following < len(starts) else len(lines) + 1
        return [(number, lines[number - 1]) for number in range(origin.line, min(end, len(lines) + 1))]

    def _of_file(self, path: str) -> list[str]:
        if path not in self._lines:
            text = self.state.source.files.get(path, b"").decode(errors="replace")
            self._lines[path] = _LINE_END.split(text)
            self._starts[path] = sorted({o.line for o in self.origins.values() if o.path == path})
        return self._lines[path]


def _origins(declarations: Declarations | None) -> Mapping[str, Origin]:
    if declarations is None:
        return {}
    return {
        "ClusterConfig": declarations.config.origin,
        **{f"VirtualNetwork {network.name}": network.origin for network in declarations.networks},
        **{f"VirtualNetworkRouter {router.name}": router.origin for router in declarations.routers},
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The objects of two states, line by line."""

    base: Texts
    head: Texts
    _known: dict[str, tuple[Line, ...]] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(base: State, head: State) -> Comparison:
        return Comparison(base=Texts.of(base, Side.BASE), head=Texts.of(head, Side.HEAD))

    def lines(self, subject: str) -> tuple[Line, ...]:
        """What HEAD has of the object and BASE has not, then the other way round; the first few."""
        if subject not in self._known:
            self._known[subject] = tuple(self._lines(subject))
        return self._known[subject]

    def _lines(self, subject: str) -> Iterator[Line]:
        old, new = self.base.range(subject), self.head.range(subject)
        if not old or not new:
            texts = self.head if new else self.base
            if subject in texts.origins:
                origin = texts.origins[subject]
                yield Line(side=texts.side, path=origin.path, line=origin.line, object=subject)
            return
        for texts, these, those in ((self.head, new, old), (self.base, old, new)):
            origin = texts.origins[subject]
            for number, text in _only(these, those)[:FEW]:
                yield Line(side=texts.side, path=origin.path, line=number, object=subject, text=shown(text))


def _only(these: list[tuple[int, str]], those: list[tuple[int, str]]) -> list[tuple[int, str]]:
    others = Counter(text.strip() for _, text in those)
    found = []
    for number, text in these:
        stripped = text.strip()
        if others[stripped] > 0:
            others[stripped] -= 1
        elif stripped and not stripped.startswith("#") and stripped != "---":
            found.append((number, text))
    return [(number, text) for number, text in found if not _is_structure(text)] or found


def _is_structure(text: str) -> bool:
    """A key whose value stands below it."""
    return text.rstrip().endswith(":")


def shown(text: str) -> str:
    """A line as it is shown: nothing that does not print, and no more than fits."""
    text = text.strip()
    text = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
    return printable(text)


def printable(text: str) -> str:
    """Text that can neither move a cursor nor turn the direction of writing."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def places_in(value: object) -> frozenset[Place]:
    """Of all lines anywhere in a value."""
    return frozenset(
        Place(side=line.side, path=line.path, line=line.line) for line in _lines_in(value) if line.line
    )


def _lines_in(value: object) -> Iterable[Line]:
    if isinstance(value, Line):
        yield value
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _lines_in(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _lines_in(item)


def with_authors(value: T, blame: Blame) -> T:
    """The same value, its lines completed."""
    completed = _completed(value, blame)
    assert isinstance(completed, type(value))
    return completed


def _completed(value: object, blame: Blame) -> object:
    if isinstance(value, Line):
        found = blame.get(Place(side=value.side, path=value.path, line=value.line))
        if found is None:
            return value
        return replace(value, commit=found.commit, author=printable(found.author)[:SHOWN])
    if isinstance(value, Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return replace(value, **{name: _completed(item, blame) for name, item in fields.items()})
    if isinstance(value, tuple):
        return tuple(_completed(item, blame) for item in value)
    return value
