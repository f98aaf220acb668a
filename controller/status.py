"""What the controller says of itself: the content of `status.json`, documented in docs/reference."""

from __future__ import annotations

import msgspec

from compiler.problem import Problem


class ProblemRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A problem for machines: the shape that every JSON output of Atoll uses."""

    code: str
    severity: str
    path: str
    """"" where the problem has no place in a file; line and column are 0 then."""
    line: int
    column: int
    subject: str
    reason: str
    remedy: str

    @staticmethod
    def of(problem: Problem) -> ProblemRecord:
        origin = problem.origin
        return ProblemRecord(
            code=problem.code,
            severity=problem.severity.value,
            path=origin.path if origin else "",
            line=origin.line if origin else 0,
            column=origin.column if origin else 0,
            subject=problem.subject,
            reason=problem.reason,
            remedy=problem.remedy,
        )


class CommitRecord(msgspec.Struct, frozen=True, kw_only=True):
    revision: str
    at: str
    """RFC 3339, UTC: when the controller first saw it, or put it into force."""


class NodeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A node with a published plan, and what its agent last reported."""

    name: str
    revision: str
    """Of the commit with which the plan last changed."""
    generation: int
    digest: str
    applied: bool
    """The agent reports exactly this plan."""
    errors: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    api_version: str = "atoll.dev/v1alpha1"
    kind: str = "ControllerStatus"
    repository: str
    ref: str
    path: str
    seen: CommitRecord | None
    """The commit that the ref named at the last look that succeeded."""
    applied: CommitRecord | None
    """The commit in force: the last good one."""
    generation: int
    confirmed: int
    problems: tuple[ProblemRecord, ...]
    """Of the commit seen; with an error among them it is not in force."""
    source_problem: ProblemRecord | None
    """Why the last look at the repository failed."""
    inventory_problems: tuple[ProblemRecord, ...]
    nodes: tuple[NodeRecord, ...]


_statuses = msgspec.json.Decoder(Status)


def encode_status(status: Status) -> bytes:
    return msgspec.json.format(msgspec.json.encode(status), indent=2) + b"\n"


def decode_status(data: bytes) -> Status:
    """Raise msgspec.DecodeError, or its subclass ValidationError."""
    return _statuses.decode(data)
