"""A resource that Git declares and that another manager keeps different: reported, never forced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from compiler.wording import listed
from controller.cluster.objects import ResourceKey

NAMED = 3
"""So many fields a message lists."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Contested:
    """A field, and who else owns it."""

    field: str
    """`.spec.egress`, as the API server writes it."""
    manager: str
    """"" where it could not be told."""

    def __str__(self) -> str:
        return f"{self.field} is owned by {self.manager}" if self.manager else f"{self.field} is another's"


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    key: ResourceKey
    fields: tuple[Contested, ...]

    @property
    def managers(self) -> tuple[str, ...]:
        return tuple(sorted({one.manager for one in self.fields if one.manager}))

    def __str__(self) -> str:
        """Without a full stop, without the object's name."""
        shown = "; ".join(str(one) for one in self.fields[:NAMED])
        more = f" and {len(self.fields) - NAMED} more" if len(self.fields) > NAMED else ""
        return f"{shown}{more}"

    @property
    def remedy(self) -> str:
        who = listed(self.managers) if self.managers else "the other manager"
        return f"Take the field out of what {who} applies, or change it in Git"


def conflict(key: ResourceKey, fields: Iterable[Contested]) -> Conflict:
    return Conflict(key=key, fields=tuple(sorted(set(fields))))
