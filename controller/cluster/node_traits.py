"""What of a Node matters to a rollout: its labels, and whether it is up."""

from __future__ import annotations

import msgspec

from controller.rollout import NodeTraits


class _Condition(msgspec.Struct):
    type: str = ""
    status: str = ""


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Status(msgspec.Struct):
    conditions: list[_Condition] | None = None


class _Node(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    status: _Status = msgspec.field(default_factory=_Status)


_decoder = msgspec.json.Decoder(_Node)


def traits_of(raw: bytes) -> NodeTraits:
    """A node that says nothing of its condition counts as up."""
    try:
        node = _decoder.decode(raw)
    except ValueError:
        return NodeTraits()
    conditions = node.status.conditions or ()
    ready = all(one.status == "True" for one in conditions if one.type == "Ready")
    return NodeTraits(labels=node.metadata.labels or {}, ready=ready)
