"""A review as JSON, and the schema that says what stands where."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from review.model import Review

_TITLE: Final = "What `atoll diff --format json` prints"


def document(review: Review) -> str:
    """Indented; ends in a newline."""
    return f"{msgspec.json.format(msgspec.json.encode(review), indent=2).decode()}\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of a document, made from the classes: `schemas/review.json`."""
    made = msgspec.json.schema(Review)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": _TITLE, **made}
