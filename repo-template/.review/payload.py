"""The body of GitLab's webhook, of which only the number of the merge request is used."""

from __future__ import annotations

import json
from pathlib import Path


def merge_request(path: Path, branch: str) -> int | None:
    """The number; None where the event is about something else, or another branch."""
    if not path.is_file():
        raise SystemExit("review: there is no event: README.md, On GitLab, says how a webhook brings it")
    payload = json.loads(path.read_bytes())
    if payload.get("object_kind") != "merge_request":
        return None
    attributes = payload["object_attributes"]
    number = attributes["iid"]
    if attributes["target_branch"] != branch or type(number) is not int or number < 1:
        return None
    return number
