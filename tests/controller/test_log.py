"""One event is one line, whatever its facts hold."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from controller.log import LogFormat, StreamLog

NOON = datetime(2026, 1, 2, 12, 0, 0, 5000, tzinfo=UTC)


def line(format: LogFormat, event: str, **facts: str | int | bool) -> str:
    stream = io.StringIO()
    StreamLog(stream=stream, format=format, clock=lambda: NOON)(event, **facts)
    return stream.getvalue()


def test_logfmt_quotes_what_has_spaces_quotes_or_nothing_in_it() -> None:
    assert line(LogFormat.LOGFMT, "seen", revision="abc", files=3, first='a "b"', none="", new=True) == (
        'time=2026-01-02T12:00:00.005Z event=seen revision=abc files=3 first="a \\"b\\"" none="" new=true\n'
    )


def test_a_line_end_in_a_fact_does_not_begin_a_line() -> None:
    assert line(LogFormat.LOGFMT, "seen", first="a\nevent=forged") == (
        'time=2026-01-02T12:00:00.005Z event=seen first="a\\\\nevent=forged"\n'
    )


def test_json_is_one_object_a_line() -> None:
    assert line(LogFormat.JSON, "seen", files=3, first="a\nb") == (
        '{"time": "2026-01-02T12:00:00.005Z", "event": "seen", "files": 3, "first": "a\\nb"}\n'
    )
