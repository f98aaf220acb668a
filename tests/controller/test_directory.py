"""A plain directory is read under the rules that hold for commits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.directory import read_directory
from controller.snapshot import ReadLimits, SourceError

RED = b"kind: VirtualNetwork\n"


def test_candidates_are_read_by_their_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "red.yaml").write_bytes(RED)
    (tmp_path / "README.md").write_bytes(b"text")
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "check.yaml").write_bytes(b"on: push")

    snapshot = read_directory(tmp_path)

    assert snapshot.revision == ""
    assert snapshot.files == {"team/red.yaml": RED}
    assert snapshot.problems == ()


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link.yaml").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")

    snapshot = read_directory(tmp_path)

    assert snapshot.files == {}
    assert [(p.code, p.subject) for p in snapshot.problems] == [
        ("ATL118", "link.yaml"),
        ("ATL118", "loop"),
        ("ATL119", "pipe.yaml"),
    ]


def test_a_large_file_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"x" * 101)
    (tmp_path / "red.yaml").write_bytes(RED)

    snapshot = read_directory(tmp_path, limits=ReadLimits(file_bytes=100))

    assert snapshot.files == {"red.yaml": RED}
    assert [p.reason for p in snapshot.problems] == ["the file is larger than 100 bytes"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ReadLimits(files=2), "it holds more than 2 YAML and JSON files"),
        (ReadLimits(total_bytes=50), "its YAML and JSON files hold more than 50 bytes"),
        (ReadLimits(entries=2), "it holds more than 2 files and directories"),
    ],
)
def test_a_tree_beyond_its_limits_is_refused(tmp_path: Path, limits: ReadLimits, reason: str) -> None:
    for name in "abc":
        (tmp_path / f"{name}.yaml").write_bytes(RED)

    assert [(p.code, p.reason) for p in read_directory(tmp_path, limits=limits).problems] == [
        ("ATL115", reason)
    ]


def test_deep_nesting_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c" / "red.yaml").write_bytes(RED)

    problems = read_directory(tmp_path, limits=ReadLimits(depth=2)).problems

    assert [(p.code, p.subject) for p in problems] == [("ATL117", "a/b/c")]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_directory(tmp_path / "missing")

    assert caught.value.problem.reason == f"it cannot be read: No such file or directory: {tmp_path}/missing"
