"""Webhooks as Git servers send them, cut to what matters here."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping

from serving.message import Request

SECRET = b"0123456789abcdef0123456789abcdef"
COMMIT = "8f5c2d1e0b9a4c7d6e3f2a1b0c9d8e7f6a5b4c3d"
GONE = "0" * 40


def push(ref: str = "refs/heads/main", after: str = COMMIT) -> bytes:
    return json.dumps({"ref": ref, "before": GONE, "after": after, "commits": [{"id": after}]}).encode()


def gitlab_push(ref: str = "refs/heads/main", event: str = "push") -> bytes:
    return json.dumps({"object_kind": event, "event_name": event, "ref": ref, "after": COMMIT}).encode()


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, "sha256").hexdigest()


def github(body: bytes, event: str = "push") -> dict[str, str]:
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-hub-signature-256": f"sha256={signed(body)}",
    }


def gitea(body: bytes, event: str = "push") -> dict[str, str]:
    return {**github(body, event), "x-gitea-event": event, "x-gitea-signature": signed(body)}


def forgejo(body: bytes, event: str = "push") -> dict[str, str]:
    return {**gitea(body, event), "x-forgejo-event": event, "x-forgejo-signature": signed(body)}


def gitlab(event: str = "Push Hook") -> dict[str, str]:
    return {"content-type": "application/json", "x-gitlab-event": event, "x-gitlab-token": SECRET.decode()}


def generic(body: bytes) -> dict[str, str]:
    return {"x-signature": f"sha256={signed(body)}"}


def post(headers: Mapping[str, str], body: bytes, path: str = "/hook/atoll-system/networks") -> Request:
    return Request(method="POST", path=path, headers=headers, body=body)
