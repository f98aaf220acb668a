"""A commit with all that is in force beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.model import Declarations
from compiler.problem import Problem
from controller.composition import Files
from controller.snapshot import Revision, Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit, and the objects of the cluster that are in force beside it."""

    snapshot: Snapshot
    foreign: Files = field(default_factory=dict)
    """By pseudo path; empty in the embedded mode."""
    declarations: Declarations | None
    """Of both. None where an error stands among the problems."""
    problems: tuple[Problem, ...]

    @property
    def revision(self) -> Revision:
        return self.snapshot.revision

    @property
    def kept(self) -> Snapshot:
        """Everything that a restart must find again."""
        return Snapshot(revision=self.revision, files={**self.snapshot.files, **self.foreign})
