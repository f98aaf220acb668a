"""The part of requirements.lock that some packages need, with everything that they need in turn.

Images install what runs and not what tests, from the one lock that everything else is installed
from. The lock itself says which package needs which, in its `# via` comments.

    python lock_part.py requirements.lock pyproject.toml           # what the project runs with
    python lock_part.py requirements.lock pyproject.toml setuptools  # what builds it
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def main(lock: str, project: str, *wanted: str) -> int:
    names = wanted or tuple(_dependencies(project))
    blocks = dict(_blocks(Path(lock).read_text(encoding="utf-8")))
    if missing := sorted(set(names) - blocks.keys()):
        print(f"lock_part: {lock} has no {', '.join(missing)}: run `make lock`", file=sys.stderr)
        return 1
    needed = _closure(names, blocks)
    print("\n".join(block for name, block in blocks.items() if name in needed))
    return 0


def _dependencies(project: str) -> Iterator[str]:
    for requirement in tomllib.loads(Path(project).read_text(encoding="utf-8"))["project"]["dependencies"]:
        match = _NAME.match(requirement)
        assert match is not None, requirement
        yield re.sub(r"[-_.]+", "-", match[0]).lower()  # as PEP 503 has it, and the lock


def _blocks(lock: str) -> Iterator[tuple[str, str]]:
    """Name and text of each package: its line, its hashes, who wants it."""
    lines = [line for line in lock.splitlines() if not line.startswith("#")]
    starts = [index for index, line in enumerate(lines) if _NAME.match(line)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start].partition("==")[0], "\n".join(lines[start:end])


def _closure(names: Collection[str], blocks: dict[str, str]) -> set[str]:
    wanted_by = {
        name: set(re.findall(r"^ +#(?: via)? +(\S+)", block, re.MULTILINE)) for name, block in blocks.items()
    }
    needed: set[str] = set()
    more = set(names)
    while more:
        needed |= more
        more = {name for name, by in wanted_by.items() if by & needed} - needed
    return needed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
