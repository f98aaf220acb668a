"""An object is what its name says: read from the cache, it is hashed again.

A signature covers a commit's content, and that names a tree by its hash, and so on down to each file. Held
from end to end, what is read is what was signed, whatever happened to the cache in between.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_FOREIGN = (
    "shallow",
    "info/grafts",
    "objects/info/alternates",
    "objects/info/commit-graph",
    "objects/info/commit-graphs",
    "refs/replace",
)
"""What would make Git see another history than the objects tell. A cache of ours has none of it."""


def foreign_in(cache: Path) -> str | None:
    """Return the first that a cache has, but should not."""
    return next((name for name in _FOREIGN if (cache / name).exists()), None)


class NotGenuineError(Exception):
    """An object's content does not have the hash that is its name."""


def check_content(name: str, kind: str, content: bytes) -> None:
    """Raise NotGenuineError unless `name` is the hash of an object of that kind and content."""
    algorithm = hashlib.sha1 if len(name) == 40 else hashlib.sha256
    digest = algorithm(f"{kind} {len(content)}\0".encode(), usedforsecurity=False)
    digest.update(content)
    if digest.hexdigest() != name:
        raise NotGenuineError(f"{kind} {name} does not have the content that its name says")
