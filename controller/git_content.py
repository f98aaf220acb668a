"""An object is what its name says: read from the cache, it is hashed again.

A signature covers a commit's content, and that names a tree by its hash, and so on down to each file. Held
from end to end, what is read is what was signed, whatever happened to the cache in between.
"""

from __future__ import annotations

import hashlib


class NotGenuineError(Exception):
    """An object's content does not have the hash that is its name."""


def check_content(name: str, kind: str, content: bytes) -> None:
    """Raise NotGenuineError unless `name` is the hash of an object of that kind and content."""
    algorithm = hashlib.sha1 if len(name) == 40 else hashlib.sha256
    digest = algorithm(f"{kind} {len(content)}\0".encode(), usedforsecurity=False)
    digest.update(content)
    if digest.hexdigest() != name:
        raise NotGenuineError(f"{kind} {name} does not have the content that its name says")
