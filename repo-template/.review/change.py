"""A pull or merge request, as the platform itself describes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    number: int
    head: str
    """Its newest commit."""
    author: str
    """User name, in lower case."""
