"""Who wrote a line, who removed one, and how two commits are related."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.git import blame_lines, compare_commits
from controller.git_messages import Blame, Blamed, Related, Writer
from controller.snapshot import Revision, Snapshot, SourceError
from tests.contracts.git_workbench import DiskWorkbench


class Desk:
    """A repository of one file, each commit by another author."""

    def __init__(self, folder: Path) -> None:
        self.bench = DiskWorkbench(folder)

    def commit(self, author: str, *lines: str, path: str = "red.yaml", parents: int = -1) -> Revision:
        self.bench.environment["GIT_AUTHOR_NAME"] = author
        content = "".join(f"{line}\n" for line in lines).encode()
        return self.bench.commit({path: content}, parents=() if parents == 0 else None)

    def blame(
        self, base: str, head: str, *, brought: list[int], removed: list[int], path: str = "red.yaml"
    ) -> Blamed:
        return blame_lines(
            Blame(
                repository=str(self.bench.path),
                base=base,
                head=head,
                brought={path: brought} if brought else {},
                removed={path: removed} if removed else {},
            )
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_each_line_has_the_commit_that_brought_it(desk: Desk) -> None:
    first = desk.commit("Ada", "one", "two")
    second = desk.commit("Bea", "one", "two", "three")
    third = desk.commit("Cyd", "one", "TWO", "three")

    assert desk.blame(first, third, brought=[1, 2, 3], removed=[]).brought == {
        "red.yaml": {
            1: Writer(commit=first, author="Ada"),
            2: Writer(commit=third, author="Cyd"),
            3: Writer(commit=second, author="Bea"),
        }
    }


def test_a_line_that_went_has_the_commit_that_removed_it(desk: Desk) -> None:
    first = desk.commit("Ada", "one", "two", "three")
    second = desk.commit("Bea", "one", "three")
    third = desk.commit("Cyd", "one")

    assert desk.blame(first, third, brought=[], removed=[2, 3]).removed == {
        "red.yaml": {2: Writer(commit=second, author="Bea"), 3: Writer(commit=third, author="Cyd")}
    }


def test_lines_of_a_file_that_went_have_the_commit_that_removed_it(desk: Desk) -> None:
    first = desk.commit("Ada", "one")
    desk.bench.commit({"red.yaml": b"one\n", "other.yaml": b""})
    desk.commit("Bea", "one", path="blue.yaml")

    blamed = desk.blame(first, "main", brought=[], removed=[1])

    assert [writer.author for writer in blamed.removed["red.yaml"].values()] == ["Bea"]


def test_a_line_that_went_before_its_file_has_the_commit_that_removed_the_line(desk: Desk) -> None:
    first = desk.commit("Ada", "one", "two")
    desk.commit("Bea", "one")
    desk.commit("Cyd", "one", path="blue.yaml")

    blamed = desk.blame(first, "main", brought=[], removed=[1, 2])

    assert {line: writer.author for line, writer in blamed.removed["red.yaml"].items()} == {
        1: "Cyd",
        2: "Bea",
    }


def test_a_line_that_is_not_there_has_nobody(desk: Desk) -> None:
    first = desk.commit("Ada", "one")

    assert desk.blame(first, first, brought=[7], removed=[7]) == Blamed(
        brought={"red.yaml": {}}, removed={"red.yaml": {}}
    )


def test_a_path_is_taken_as_it_is_written(desk: Desk) -> None:
    desk.commit("Ada", "one", path=":(glob)*.yaml")

    blamed = desk.blame("main", "main", brought=[1], removed=[], path=":(glob)*.yaml")

    assert [writer.author for writer in blamed.brought[":(glob)*.yaml"].values()] == ["Ada"]


def test_where_history_is_cut_short_nobody_is_named_for_what_is_older(desk: Desk, tmp_path: Path) -> None:
    desk.commit("Ada", "one")
    desk.commit("Bea", "one", "two")
    third = desk.commit("Cyd", "one", "two", "three")
    shallow = tmp_path / "shallow.git"
    desk.bench.git("clone", "--quiet", "--bare", "--depth=2", f"file://{desk.bench.path}", str(shallow))
    request = Blame(
        repository=str(shallow), base=third, head=third, brought={"red.yaml": [1, 2, 3]}, removed={}
    )

    assert blame_lines(request).brought == {"red.yaml": {3: Writer(commit=third, author="Cyd")}}


def test_a_mailmap_of_the_repository_renames_nobody(desk: Desk) -> None:
    desk.bench.environment["GIT_AUTHOR_NAME"] = "Ada"
    files = {"red.yaml": b"one\n", ".mailmap": b"Eve <author@example.com>\n"}
    tip = desk.bench.commit(files)

    assert desk.blame(tip, tip, brought=[1], removed=[]).brought["red.yaml"][1].author == "Ada"


def test_two_commits_are_related_by_their_newest_common_ancestor(desk: Desk) -> None:
    desk.bench.environment["GIT_COMMITTER_DATE"] = "2026-11-20T12:30:00+02:00"
    first = desk.commit("Ada", "one")
    second = desk.commit("Bea", "one", "two")

    related, before, after = compare_commits(desk.bench.path, "main~1", "main", "")

    assert related == Related(
        base=first, head=second, head_time="2026-11-20T10:30:00Z", merge_base=first, shallow=False
    )
    assert before == Snapshot(revision=first, files={"red.yaml": b"one\n"})
    assert after == Snapshot(revision=second, files={"red.yaml": b"one\ntwo\n"})


def test_what_base_did_alone_is_left_out_where_the_common_ancestor_is_compared(desk: Desk) -> None:
    first = desk.commit("Ada", "one")
    aside = desk.commit("Bea", "one", "two")
    head = desk.bench.commit({"red.yaml": b"three\n"}, parents=(first,))

    related, before, _ = compare_commits(desk.bench.path, aside, head, "", from_merge_base=True)

    assert (related.base, related.merge_base) == (aside, first)
    assert before == Snapshot(revision=first, files={"red.yaml": b"one\n"})


def test_commits_without_common_history_have_no_common_ancestor(desk: Desk) -> None:
    first = desk.commit("Ada", "one")
    desk.commit("Bea", "two", parents=0)

    related, before, after = compare_commits(desk.bench.path, first, "main", "", from_merge_base=True)

    assert related.merge_base == ""
    assert (before.files, after.files) == ({}, {"red.yaml": b"two\n"})


def test_the_revision_that_is_missing_is_named(desk: Desk) -> None:
    desk.commit("Ada", "one")

    with pytest.raises(SourceError, match="revision v9 names no commit"):
        compare_commits(desk.bench.path, "main", "v9", "")
