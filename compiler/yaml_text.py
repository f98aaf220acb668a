"""YAML text to plain values, each key and value with its place; the text is hostile until proved otherwise.

Sizes are checked before parsing; depth, values and documents while events arrive, so that what is refused
costs no more than what was read. Anchors, aliases, tags, merge keys and directives are refused where they
stand, and scalars follow the core schema of YAML 1.2 (section 10.3.2): `no` and `12:30` are text.
Built on the parser's events, not its nodes: half the time, and no expansion is ever possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from compiler.catalogue import found
from compiler.problem import Origin, Problem
from compiler.wording import cut
from compiler.yaml_scalars import OutOfRange, plain_value, quoted_value
from compiler.yaml_syntax import PlainYAML, explained

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 100_000
MAX_DOCUMENTS = 1_000

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from a document's root to a value."""
Place: TypeAlias = tuple[int, int]
"""Line and column, from 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One document: its value, and where each value and each key of a mapping stands."""

    path: str
    value: Json
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    sound: bool = True
    """False where a refused value was replaced by null, so that nothing may be concluded from it."""

    def value_origin(self, at: Path) -> Origin:
        """Where the value stands; its nearest ancestor's place if there is none."""
        while at and at not in self.values:
            at = at[:-1]
        line, column = self.values.get(at, (1, 1))
        return Origin(path=self.path, line=line, column=column)

    def key_origin(self, at: Path) -> Origin:
        """Where the key of the value stands; list entries have no key, and stand for themselves."""
        place = self.keys.get(at)
        return Origin(path=self.path, line=place[0], column=place[1]) if place else self.value_origin(at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """What could be read of a file."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]
    complete: bool
    """False where reading stopped before the end."""


def read(path: str, content: bytes) -> Text:
    """All documents of a file that stand before the first fault that stops reading, and all problems."""
    refused = _refused_unread(path, content)
    if refused is not None:
        return Text(documents=(), problems=(refused,), complete=False)
    composer = _Composer(path=path)
    complete = composer.read(content.decode("utf-8-sig"))
    return Text(documents=tuple(composer.documents), problems=tuple(composer.problems), complete=complete)


# C0, C1 and surrogates, as YAML 1.2 section 5.1; U+FEFF is text within a file.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def _refused_unread(path: str, content: bytes) -> Problem | None:
    if len(content) > MAX_BYTES:
        reason = f"the file has {len(content):,} bytes, more than the {MAX_BYTES:,} that are read"
        return found("ATL101", origin=Origin(path=path), subject=path, reason=reason)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", errors="replace")
        reason = f"byte 0x{content[error.start]:02x} is not UTF-8"
        return found("ATL102", origin=_origin_after(path, before), subject=path, reason=reason)
    control = _UNPRINTABLE.search(text)
    if control:
        reason = f"the text has the control character U+{ord(control.group()):04X}"
        origin = _origin_after(path, text[: control.start()])
        return found("ATL103", origin=origin, subject=path, reason=reason)
    return None


def _origin_after(path: str, before: str) -> Origin:
    line = before.count("\n") + 1
    return Origin(path=path, line=line, column=len(before) - (before.rfind("\n") + 1) + 1)


class _StopReadingError(Exception):
    """Unwinds the composer at a limit; the problem is already recorded."""


@dataclass(kw_only=True, slots=True)
class _Composer:
    """Builds documents from events. One for each file; it never leaves this module."""

    path: str
    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    events: Iterator[Event] = field(default_factory=lambda: iter(()))
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    count: int = 0
    sound: bool = True

    def read(self, text: str) -> bool:
        """True if the end was reached."""
        try:
            self.events = PlainYAML().parse(text)
            for event in self.events:
                if isinstance(event, DocumentStartEvent):
                    self._document(event)
        except _StopReadingError:
            return False
        except MarkedYAMLError as error:
            self.problems.append(explained(self.path, error))
            return False
        except (YAMLError, ValueError, OverflowError, IndexError) as error:
            # The scanner lets these out for impossible escapes such as "\U99999999".
            reason = f"the YAML reader cannot make sense of the text ({type(error).__name__})"
            self.problems.append(
                found("ATL104", origin=Origin(path=self.path), subject=self.path, reason=reason)
            )
            return False
        return True

    def _document(self, start: DocumentStartEvent) -> None:
        if len(self.documents) >= MAX_DOCUMENTS:
            self._stop("ATL111", start, f"the file has more than {MAX_DOCUMENTS:,} documents")
        if start.tags or start.version not in (None, (1, 2), [1, 2]):
            self._problem("ATL114", start, "the document begins with a directive")
        self.values, self.keys, self.sound = {}, {}, True
        value = self._value(next(self.events), ())
        self.documents.append(
            Document(path=self.path, value=value, values=self.values, keys=self.keys, sound=self.sound)
        )

    def _value(self, event: Event, at: Path) -> Json:
        self.count += 1
        if self.count > MAX_VALUES:
            self._stop("ATL110", event, f"the file has more than {MAX_VALUES:,} keys and values")
        mark = event.start_mark
        self.values[at] = (mark.line + 1, mark.column + 1)
        if isinstance(event, NodeEvent) and event.anchor and not isinstance(event, AliasEvent):
            self._problem("ATL106", event, f"the anchor `&{cut(event.anchor)}` names a value")
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, AliasEvent):
            self._problem("ATL106", event, f"the alias `*{cut(event.anchor)}` stands for another value")
            self.sound = False
            return None
        if len(at) >= MAX_DEPTH:
            self._stop("ATL109", event, f"values are nested more than {MAX_DEPTH} deep")
        if isinstance(event, MappingStartEvent):
            return self._mapping(at)
        return self._sequence(at)

    def _scalar(self, event: ScalarEvent) -> Json:
        try:
            if event.implicit[0]:
                return plain_value(event.value)
            return quoted_value(event.value)
        except OutOfRange as out_of_range:
            self._problem(out_of_range.code, event, out_of_range.reason)
            self.sound = False
            return None

    def _sequence(self, at: Path) -> Json:
        items: list[Json] = []
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._value(event, (*at, len(items))))
        return items

    def _mapping(self, at: Path) -> Json:
        result: dict[str, Json] = {}
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            key = self._key(event, at)
            if key is None or key in result:
                # Read and forget: what follows must still be checked.
                self._value(next(self.events), (*at, "\x00"))
                continue
            mark = event.start_mark
            self.keys[(*at, key)] = (mark.line + 1, mark.column + 1)
            result[key] = None
            result[key] = self._value(next(self.events), (*at, key))
        return result

    def _key(self, event: Event, at: Path) -> str | None:
        """The key, with a problem recorded for each that cannot be one; None where it must be left out."""
        key = self._value(event, (*at, "\x00"))
        if not isinstance(key, str):
            if not isinstance(event, AliasEvent):
                self._problem("ATL112", event, f"the key {_shown(event)} is not text")
            return None
        if key == "<<" and isinstance(event, ScalarEvent) and event.implicit[0]:
            self._problem("ATL108", event, "the merge key `<<` includes another mapping")
            self.sound = False
            return None
        if (*at, key) in self.keys:
            line = self.keys[(*at, key)][0]
            self._problem("ATL105", event, f"the key `{cut(key)}` is given twice; first in line {line}")
        return key

    def _problem(self, code: str, event: Event, reason: str) -> None:
        mark = event.start_mark
        origin = Origin(path=self.path, line=mark.line + 1, column=mark.column + 1)
        self.problems.append(found(code, origin=origin, subject=self.path, reason=reason))

    def _stop(self, code: str, event: Event, reason: str) -> None:
        self._problem(code, event, reason)
        raise _StopReadingError


def _shown(event: Event) -> str:
    if isinstance(event, ScalarEvent):
        return f"`{cut(event.value)}`"
    return "of list type" if isinstance(event, SequenceStartEvent) else "of mapping type"
