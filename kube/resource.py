"""A kind of object as the API server's paths name it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Resource:
    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of an object, of its subresource or, without a name, of the collection.

        Without a namespace the collection is that of all namespaces. Raises ValueError for a name
        that no object can have, since it would lead to another path.
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        where = ("namespaces", namespace) if self.namespaced and namespace else ()
        what = (name, *filter(None, (subresource,))) if name else ()
        return "/".join((root, *map(_segment, (*where, self.plural, *what))))

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _segment(text: str) -> str:
    """What the API server itself demands of every name (IsValidPathSegmentName in apimachinery)."""
    if text in {".", ".."} or "/" in text or "%" in text:
        raise ValueError(
            f"{text!r} cannot be the name of an object: it may not be '.' or '..' or contain '/' or '%'"
        )
    return quote(text, safe=":")
