"""Log lines for machines and people alike: one event a line, logfmt or JSON, on a text stream."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol, TextIO

from controller.snapshot import printable

Value = str | int | float | bool
_BARE = re.compile(r"[^\s\"=]+")


class LogFormat(StrEnum):
    LOGFMT = "logfmt"
    JSON = "json"


class Log(Protocol):
    """Takes events: a word for what happened, and its facts."""

    def __call__(self, event: str, **facts: Value) -> None: ...


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamLog:
    """Writes each event at once; values are quoted so that one event is always one line."""

    stream: TextIO
    format: LogFormat = LogFormat.LOGFMT
    clock: Callable[[], datetime] = field(default=now)

    def __call__(self, event: str, **facts: Value) -> None:
        stamp = self.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields: dict[str, Value] = {"time": stamp, "event": event, **facts}
        line = json.dumps(fields) if self.format is LogFormat.JSON else _logfmt(fields)
        self.stream.write(line + "\n")
        self.stream.flush()


def _logfmt(fields: dict[str, Value]) -> str:
    return " ".join(f"{name}={_text(value)}" for name, value in fields.items())


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = printable(str(value))
    if _BARE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryLog:
    """Keeps the events for those who want to read them."""

    events: list[tuple[str, dict[str, Value]]] = field(default_factory=list)

    def __call__(self, event: str, **facts: Value) -> None:
        self.events.append((event, facts))
