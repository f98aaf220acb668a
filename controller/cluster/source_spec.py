"""What a platform engineer writes into a NetworkSource; the CRD documents the fields and holds the rules."""

from __future__ import annotations

import msgspec


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: str = ""


class GitRef(msgspec.Struct, frozen=True, kw_only=True):
    branch: str = ""
    tag: str = ""
    commit: str = ""


class Verification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    mode: str
    keys_from: Reference


class Webhook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    secret_ref: Reference


class Expression(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    operator: str
    values: tuple[str, ...] = ()


class Selector(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    match_labels: dict[str, str] = {}
    match_expressions: tuple[Expression, ...] = ()


class Canary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    count: int = 1
    node_selector: Selector | None = None


class Rollout(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    canary: Canary | None = None
    share: int | str = ""
    """A number of nodes, or a percentage of all."""
    ready_timeout: str = "2m"


class SourceSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Of a NetworkSource; the CRD documents the fields and their defaults."""

    url: str
    ref: GitRef = GitRef(branch="main")
    path: str = ""
    interval: str = "1m"
    timeout: str = "60s"
    secret_ref: Reference | None = None
    suspend: bool = False
    verify: Verification | None = None
    webhook: Webhook | None = None
    rollout: Rollout | None = None
