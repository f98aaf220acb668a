"""A golden review: two directories and an inventory, reviewed as `atoll diff` does it.

`golden/README.md` says what each file holds. What comes out depends on the case's files alone.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from compiler.codec import decode_allocations
from compiler.kubectl import read_inventory
from review.build import review_of
from review.model import Review
from review.side import Cluster, Source, States, states_of
from review.taken import newest_time
from tests.golden.case import ALLOCATIONS, INVENTORY, REVIEWS

REVIEW_CASES: Final = tuple(sorted(path.name for path in REVIEWS.iterdir()))


@cache
def states(name: str) -> States:
    """Once in each process."""
    at = REVIEWS / name
    return states_of(_source(at / "before"), _source(at / "after"), _cluster(at))


@cache
def reviewed(name: str) -> Review:
    """Once in each process."""
    return review_of(states(name))


def _source(at: Path) -> Source:
    files = {
        path.relative_to(at).as_posix(): path.read_bytes() for path in sorted(at.rglob("*")) if path.is_file()
    }
    return Source(name=at.name, commit="", files=files)


def _cluster(at: Path) -> Cluster:
    allocations = decode_allocations((at / ALLOCATIONS).read_bytes()) if (at / ALLOCATIONS).exists() else None
    if not (at / INVENTORY).exists():
        return Cluster(allocations=allocations)
    text = (at / INVENTORY).read_bytes()
    inventory, problems = read_inventory(text, path=INVENTORY)
    return Cluster(inventory=inventory, allocations=allocations, problems=problems, taken=newest_time(text))
