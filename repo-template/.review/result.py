"""What the computing job hands over, read as if a stranger had written it: capped, checked, never run."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_MARKDOWN = 60_000
"""Characters. Platforms take a little more."""
_CAPS = {"run.json": 64 << 10, "policy.json": 2 << 20, "review.md": 512 << 10}
"""Bytes of each file that is read; others are left alone."""
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_PERSON = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,79}")
_WORD = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?|")


class Unusable(Exception):
    """The computing job's files are missing or not what it writes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Breach:
    guard: str
    """"" for a change of the policy itself."""
    approvers: frozenset[str]
    needed: int

    @property
    def subject(self) -> str:
        return f"guard {self.guard}" if self.guard else "the policy's own change"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    number: int
    """Of the pull or merge request."""
    base: str
    head: str
    """Commits."""
    steps: Mapping[str, int]
    """Exit codes of what was run."""
    conflict: bool
    refused: bool
    """By errors that only a comparison with the commit before shows."""
    policy: str
    """The verdict, as `atoll policy` words it; "" where it gave none."""
    breaches: tuple[Breach, ...]
    markdown: str


def from_archive(content: bytes) -> Result:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _result({name: _member(archive, name, cap) for name, cap in _CAPS.items()})
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Unusable(f"the archive cannot be read: {error}") from None


def _member(archive: zipfile.ZipFile, name: str, cap: int) -> bytes:
    if name not in archive.namelist():
        return b""
    with archive.open(name) as file:
        return _capped(name, file.read(cap + 1), cap)


def from_folder(folder: Path) -> Result:
    files = {}
    for name, cap in _CAPS.items():
        path = folder / name
        if not path.is_file() or path.is_symlink():
            files[name] = b""
            continue
        with path.open("rb") as file:
            files[name] = _capped(name, file.read(cap + 1), cap)
    return _result(files)


def _capped(name: str, content: bytes, cap: int) -> bytes:
    if len(content) > cap:
        raise Unusable(f"{name} has more than {cap:,} bytes")
    return content


def _result(files: Mapping[str, bytes]) -> Result:
    try:
        run = json.loads(files["run.json"])
        policy = json.loads(files["policy.json"] or b"{}").get("policy", {})
        return Result(
            number=_number(run["number"]),
            base=_match(_COMMIT, run["base"]),
            head=_match(_COMMIT, run["head"]),
            steps={_match(_WORD, step): _code(code) for step, code in run["steps"].items()},
            conflict=run["conflict"] is not False,
            refused=run["refused"] is not False,
            policy=_match(_WORD, policy.get("verdict", "")),
            breaches=tuple(map(_breach, policy.get("breaches", ()))),
            markdown=_markdown(files["review.md"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unusable(f"its files are not what the computing job writes: {error!r:.80}") from None


def _number(value: Any) -> int:
    if type(value) is not int or not 0 < value < 1 << 31:
        raise ValueError("number")
    return value


def _code(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 256:
        raise ValueError("exit code")
    return value


def _match(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(pattern.pattern)
    return value


def _breach(value: Any) -> Breach:
    needed = _number(value["approvals"])
    people = frozenset(_match(_PERSON, name).lower() for name in value["approvers"])
    return Breach(guard=_match(_WORD, value["guard"]), approvers=people, needed=needed)


def _markdown(content: bytes) -> str:
    text = content.decode("utf-8", errors="replace")
    if len(text) <= MAX_MARKDOWN:
        return text
    return "The review is too long for a comment. It is in the files of the computing job.\n"
