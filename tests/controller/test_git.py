"""Git in the hands of somebody hostile, of a crash and of an outage."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from controller.git import GitRepository, read_commit, resolve_commit
from controller.location import Location, parse_location
from controller.snapshot import ReadLimits, Revision, SourceError
from tests.contracts.git_workbench import DiskWorkbench

RED = b"kind: VirtualNetwork\n"


@pytest.fixture
def bench(tmp_path: Path) -> DiskWorkbench:
    return DiskWorkbench(tmp_path)


def test_a_local_repository_is_read_where_it_is(bench: DiskWorkbench) -> None:
    first = bench.commit({"red.yaml": RED})
    second = bench.commit({"red.yaml": RED, "blue.yaml": RED})

    assert resolve_commit(bench.path, "HEAD") == second
    assert resolve_commit(bench.path, "main~1") == first
    assert read_commit(bench.path, first, "").files == {"red.yaml": RED}


def test_an_annotated_tag_is_its_commit(bench: DiskWorkbench) -> None:
    tip = bench.commit({"red.yaml": RED})
    bench.git("tag", "-a", "-m", "first", "v1", "main")

    assert resolve_commit(bench.path, "v1") == tip


def test_a_repository_without_commits_is_told_as_such(bench: DiskWorkbench) -> None:
    with pytest.raises(SourceError) as caught:
        resolve_commit(bench.path, "HEAD")

    assert str(caught.value) == (
        f"error ATL803: repository {bench.path}: HEAD names no commit, as in a repository without any."
        " Commit something first, with git commit, or name a branch that has commits."
    )


def test_an_unknown_revision_is_named(bench: DiskWorkbench) -> None:
    bench.commit({"red.yaml": RED})

    with pytest.raises(SourceError) as caught:
        resolve_commit(bench.path, "v9")

    assert str(caught.value) == (
        f"error ATL803: repository {bench.path}: revision v9 names no commit."
        " Push it, or name a branch, tag, commit or folder that exists."
    )


def test_what_is_no_repository_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        resolve_commit(tmp_path, "HEAD")

    assert caught.value.problem.code == "ATL802"
    assert caught.value.problem.reason == f"there is no Git repository: {tmp_path}"


def test_names_that_are_no_text_are_refused_in_escaped_form(bench: DiskWorkbench) -> None:
    tip = bench.commit({'"a\\377.yaml"': RED, '"b\\033[2J.yaml"': RED, '"c\\\\d.yaml"': RED, "red.yaml": RED})

    snapshot = read_commit(bench.path, tip, "")

    assert snapshot.files == {"red.yaml": RED}
    assert [(p.code, p.subject) for p in snapshot.problems] == [
        ("ATL117", "a\\xff.yaml"),
        ("ATL117", "b\\x1b[2J.yaml"),
        ("ATL117", "c\\d.yaml"),
    ]


def test_a_repository_of_10000_files_is_read_whole(bench: DiskWorkbench) -> None:
    files = {f"team-{number % 100}/net-{number}.yaml": b"# %d\n" % number for number in range(10_000)}
    entries = "".join(f"M 100644 inline {path}\ndata {len(c)}\n{c.decode()}\n" for path, c in files.items())
    head = "commit refs/heads/main\ncommitter a <a@example.com> 1700000000 +0000\ndata 1\nx\n"
    bench.git("fast-import", "--quiet", data=(head + entries).encode())
    source = bench.source()

    snapshot = source.read(source.look(None).revision)

    assert snapshot.files == files
    assert snapshot.problems == ()


def tree_of_trees(bench: DiskWorkbench, *, width: int, depth: int) -> Revision:
    """A few objects that a careless reader would walk for years."""
    blob = bench.git("hash-object", "-w", "--stdin", data=RED)
    tree = bench.git("mktree", data=f"100644 blob {blob}\tred.yaml\n".encode())
    for _ in range(depth):
        lines = "".join(f"040000 tree {tree}\td{number:02}\n" for number in range(width))
        tree = bench.git("mktree", data=lines.encode())
    return Revision(bench.git("commit-tree", tree, data=b"bomb\n"))


def test_a_tree_that_repeats_itself_is_refused_soon(bench: DiskWorkbench) -> None:
    bomb = tree_of_trees(bench, width=10, depth=12)

    problems = read_commit(bench.path, bomb, "", limits=ReadLimits(entries=500)).problems

    assert [(p.code, p.reason) for p in problems] == [
        ("ATL115", "it holds more than 500 files and directories")
    ]


def test_a_deep_tree_is_refused_where_it_is_too_deep(bench: DiskWorkbench) -> None:
    deep = tree_of_trees(bench, width=1, depth=40)

    problems = read_commit(bench.path, deep, "").problems

    assert [(p.code, p.subject) for p in problems] == [("ATL117", "/".join(["d00"] * 33))]


def test_remote_helpers_are_stopped_by_git_itself_too(tmp_path: Path) -> None:
    location = Location(url=f"ext::touch {tmp_path}/ran", protocol="https")
    source = GitRepository(location=location, ref="main", folder="", cache=tmp_path / "cache.git")

    with pytest.raises(SourceError) as caught:
        source.look(None)

    assert "transport 'ext' not allowed" in caught.value.problem.reason
    assert not (tmp_path / "ran").exists()


def test_hooks_do_not_run(bench: DiskWorkbench, tmp_path: Path) -> None:
    source = bench.source()
    tip = bench.commit({"red.yaml": RED})
    source.look(None)
    hook = tmp_path / "cache.git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    bench.commit({"red.yaml": RED + RED})

    assert source.look(tip).revision != tip
    assert not (tmp_path / "ran").exists()


def test_a_lock_left_by_a_killed_fetch_is_overcome(bench: DiskWorkbench, tmp_path: Path) -> None:
    source = bench.source()
    bench.commit({"red.yaml": RED})
    source.look(None)
    tip = bench.commit({"red.yaml": RED + RED})
    (tmp_path / "cache.git" / "refs" / "atoll" / "target.lock").touch()

    assert source.look(None).revision == tip


def test_a_directory_that_is_no_cache_is_left_alone(bench: DiskWorkbench, tmp_path: Path) -> None:
    bench.commit({"red.yaml": RED})
    (tmp_path / "cache.git").mkdir()
    (tmp_path / "cache.git" / "thesis.txt").write_text("precious")

    with pytest.raises(SourceError) as caught:
        bench.source().look(None)

    assert caught.value.problem.code == "ATL804"
    assert (tmp_path / "cache.git" / "thesis.txt").read_text() == "precious"


def test_a_host_that_is_down_is_an_error_and_what_it_gave_before_is_still_read(
    bench: DiskWorkbench, tmp_path: Path
) -> None:
    tip = bench.commit({"red.yaml": RED})
    source = bench.source()
    source.look(None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    down = replace(source, location=parse_location(f"https://127.0.0.1:{port}/networks.git"))

    with pytest.raises(SourceError) as caught:
        down.look(tip)

    assert caught.value.problem.code == "ATL802"
    assert "Failed to connect" in caught.value.problem.reason
    assert down.read(tip).files == {"red.yaml": RED}


def test_a_history_rewritten_while_the_cache_was_lost_is_told_as_such(
    bench: DiskWorkbench, tmp_path: Path
) -> None:
    bench.commit({"red.yaml": RED})
    lost = bench.commit({"red.yaml": RED, "blue.yaml": RED})
    source = bench.source()
    source.look(None)
    shutil.rmtree(tmp_path / "cache.git")
    amended = bench.commit({"blue.yaml": RED}, amend=True)

    sighting = source.look(lost)

    assert (sighting.revision, sighting.rewritten) == (amended, True)


def test_settings_that_somebody_wrote_into_the_cache_are_put_back(
    bench: DiskWorkbench, tmp_path: Path
) -> None:
    source = bench.source()
    bench.commit({"red.yaml": RED})
    source.look(None)
    with (tmp_path / "cache.git" / "config").open("a") as config:
        config.write(f'[url "{tmp_path}/elsewhere"]\n\tinsteadOf = {bench.path}\n')
    tip = bench.commit({"red.yaml": RED + RED})

    assert source.look(None).revision == tip


def test_a_tag_of_something_else_than_a_commit_names_none(bench: DiskWorkbench) -> None:
    bench.commit({"red.yaml": RED})
    bench.git("tag", "files", "main^{tree}")

    with pytest.raises(SourceError) as caught:
        bench.source(ref="refs/tags/files").look(None)

    assert caught.value.problem.reason == "ref refs/tags/files names no commit"


def test_a_server_that_does_not_answer_costs_no_more_than_the_time_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/networks.git"
        source = GitRepository(
            location=parse_location(url), ref="main", folder="", cache=tmp_path / "cache.git", seconds=1
        )

        with pytest.raises(SourceError) as caught:
            source.look(None)

    assert caught.value.problem.code == "ATL804"
    assert caught.value.problem.reason == "Git did not finish within 1 seconds"
