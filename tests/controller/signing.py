"""What tests of signatures ask of a repository, and do to it."""

from __future__ import annotations

from controller.signatures import Fault, Signers, Verification
from controller.snapshot import Revision
from tests.contracts.git_workbench import DiskWorkbench


def verified(bench: DiskWorkbench, signers: Signers, *, applied: Revision | None = None) -> Verification:
    source = bench.source(signers=signers)
    return source.verify(applied, source.look(None).revision)


def faults(verification: Verification) -> list[Fault]:
    return [offence.fault for offence in verification.offences]


def problem(verification: Verification) -> str:
    return str(verification.problems[0])


def rewritten(bench: DiskWorkbench, commit: Revision, old: bytes, new: bytes) -> Revision:
    """Store a commit with other content under its own true name, and put it on the branch."""
    content = bench.git("cat-file", "commit", commit).encode() + b"\n"
    assert old in content
    name = bench.git("hash-object", "-t", "commit", "-w", "--stdin", data=content.replace(old, new))
    bench.git("update-ref", "refs/heads/main", name)
    return Revision(name)
