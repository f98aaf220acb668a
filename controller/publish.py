"""A publication as a directory, the bus of the embedded mode.

    commit.json          files of the commit in force          allocations.json    numbers and blocks
    plans/<node>.json    envelope with the node's plan         status.json         see controller.status
    reachability.txt     the whole, for people                 reachability.json   the same, for machines
    agents/<node>.json   written by the agents

A file appears complete or not at all: written beside, synchronised, renamed. Names that begin with
a dot are such files in the making, and nobody else's business.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from compiler import codec
from compiler.allocations import Allocations
from compiler.names import NodeName
from controller.actions import (
    Action,
    KeepAllocations,
    KeepCommit,
    PublishPlan,
    PublishReachability,
    PublishStatus,
    WithdrawPlan,
)
from controller.publication import PlanStamp, PublicationError, Published, Report, wishes_of
from controller.snapshot import Revision, Snapshot
from controller.status import Status, decode_status, encode_status

API_VERSION = "atoll.dev/v1alpha1"


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A file of plans/. `digest` is that of the bytes of `plan` as they stand in the file."""

    api_version: str
    node: str
    revision: str
    generation: int
    digest: str
    plan: msgspec.Raw


_envelopes = msgspec.json.Decoder(Envelope)


class CommitFile(msgspec.Struct, frozen=True, kw_only=True):
    revision: str
    files: dict[str, str]


_commits = msgspec.json.Decoder(CommitFile)


class WishRecord(msgspec.Struct, frozen=True, kw_only=True):
    network: str
    addresses: int = 0


class ReportFile(msgspec.Struct, frozen=True, kw_only=True):
    generation: int = 0
    digest: str = ""
    errors: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    wanted: tuple[WishRecord, ...] = ()


_reports = msgspec.json.Decoder(ReportFile)


@dataclass(frozen=True, kw_only=True, slots=True)
class DirectoryPublisher:
    root: Path

    def prepare(self) -> None:
        """Make the directories; raise PublicationError where that is not possible."""
        try:
            for folder in (self.root, self.plans, self.agents):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(self.root, error) from None

    @property
    def plans(self) -> Path:
        return self.root / "plans"

    @property
    def agents(self) -> Path:
        return self.root / "agents"

    def recover(self) -> Published:
        try:
            return Published(
                commit=self._commit(),
                allocations=self._allocations(),
                plans=dict(self._stamps()),
                reachability=(_read(self.root / "reachability.txt") or b"").decode(errors="replace"),
                status=self._status(),
            )
        except OSError as error:
            raise _failed(self.root, error) from None

    def execute(self, action: Action) -> None:
        try:
            self._execute(action)
        except OSError as error:
            raise _failed(self.root, error) from None

    def finish(self) -> None:
        """Nothing is left: every action was durable when it returned."""

    def _execute(self, action: Action) -> None:
        match action:
            case KeepCommit():
                files = {path: data.decode() for path, data in action.files.items()}
                content = msgspec.json.encode(CommitFile(revision=action.revision, files=files))
                _write(self.root / "commit.json", content)
            case KeepAllocations():
                _write(self.root / "allocations.json", codec.encode_allocations(action.allocations))
            case PublishPlan():
                _write(self._plan_path(action.plan.name), _envelope(action))
            case WithdrawPlan():
                _remove(self._plan_path(action.node))
            case PublishReachability():
                _write(self.root / "reachability.json", action.json)
                _write(self.root / "reachability.txt", action.text.encode())
            case PublishStatus():
                _write(self.root / "status.json", encode_status(action.status))

    def reports(self) -> Mapping[NodeName, Report]:
        found: dict[NodeName, Report] = {}
        for path in _json_files(self.agents):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                report = _reports.decode(path.read_bytes())
                found[NodeName(path.stem)] = Report(
                    generation=report.generation,
                    digest=report.digest,
                    errors=report.errors,
                    leaving=report.leaving,
                    wanted=wishes_of((wish.network, wish.addresses) for wish in report.wanted),
                )
        return found

    def _plan_path(self, node: NodeName) -> Path:
        if "/" in node or node.startswith("."):
            raise PublicationError(
                f"node {node!r}: the name is not one of Kubernetes, so no file is written for it"
            )
        return self.plans / f"{node}.json"

    def _commit(self) -> Snapshot | None:
        data = _read(self.root / "commit.json")
        if data is None:
            return None
        try:
            kept = _commits.decode(data)
        except msgspec.DecodeError:
            return None  # the repository has it too
        files = {path: text.encode() for path, text in kept.files.items()}
        return Snapshot(revision=Revision(kept.revision), files=files)

    def _allocations(self) -> Allocations:
        path = self.root / "allocations.json"
        data = _read(path)
        if data is None:
            return Allocations()
        try:
            return codec.decode_allocations(data)
        except ValueError as error:
            message = "Restore it from a copy; starting without it would renumber every network"
            raise PublicationError(f"{path}: it does not hold allocations: {error}. {message}.") from None

    def _stamps(self) -> list[tuple[NodeName, PlanStamp]]:
        found: list[tuple[NodeName, PlanStamp]] = []
        for path in _json_files(self.plans):
            try:
                envelope = _envelopes.decode(path.read_bytes())
                intact = codec.digest_of(bytes(envelope.plan)) == envelope.digest
                digest = envelope.digest if intact else ""
                revision = Revision(envelope.revision)
                stamp = PlanStamp(revision=revision, generation=envelope.generation, digest=digest)
            except msgspec.DecodeError:
                stamp = PlanStamp(revision=Revision(""), generation=0, digest="")
            found.append((NodeName(path.stem), stamp))
        return found

    def _status(self) -> Status | None:
        with contextlib.suppress(msgspec.DecodeError):
            data = _read(self.root / "status.json")
            return decode_status(data) if data is not None else None
        return None


def _envelope(action: PublishPlan) -> bytes:
    envelope = Envelope(
        api_version=API_VERSION,
        node=action.plan.name,
        revision=action.revision,
        generation=action.generation,
        digest=action.digest,
        plan=msgspec.Raw(codec.encode_plan(action.plan)),
    )
    return msgspec.json.encode(envelope) + b"\n"


def _json_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    """Replace a file atomically and durably."""
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    _synchronise(path.parent)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _synchronise(path.parent)


def _synchronise(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(root: Path, error: OSError) -> PublicationError:
    place = error.filename or root
    remedy = "Look at its permissions and the space on its file system"
    return PublicationError(f"{place}: {error.strerror or error}. {remedy}.")
