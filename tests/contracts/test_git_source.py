"""What every GitSource does, the one in memory as the one through git."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.snapshot import ReadLimits, Refusal, SourceError
from tests.contracts.git_workbench import DiskWorkbench, MemoryWorkbench, Workbench

RED = b"kind: VirtualNetwork\n"
BLUE = b"kind: VirtualNetworkRouter\n"


@pytest.fixture(params=["memory", "disk"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Workbench:
    return MemoryWorkbench() if request.param == "memory" else DiskWorkbench(tmp_path)


def test_the_tip_of_the_ref_is_seen_and_read(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED, "team/blue.yml": BLUE})
    source = bench.source()

    sighting = source.look(None)
    snapshot = source.read(sighting.revision)

    assert sighting.revision == tip
    assert not sighting.rewritten
    assert snapshot.files == {"red.yaml": RED, "team/blue.yml": BLUE}
    assert snapshot.problems == ()


def test_a_new_commit_is_seen_on_the_next_look(bench: Workbench) -> None:
    first = bench.commit({"red.yaml": RED})
    source = bench.source()
    source.look(None)
    second = bench.commit({"red.yaml": BLUE})

    sighting = source.look(first)

    assert sighting.revision == second
    assert not sighting.rewritten
    assert source.read(second).files == {"red.yaml": BLUE}


def test_looking_twice_at_an_unchanged_ref_sees_the_same(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED})
    source = bench.source()

    assert source.look(source.look(None).revision).revision == tip


def test_an_earlier_commit_can_still_be_read(bench: Workbench) -> None:
    first = bench.commit({"red.yaml": RED})
    bench.commit({"red.yaml": BLUE})
    source = bench.source()
    source.look(None)

    assert source.read(first).files == {"red.yaml": RED}


def test_a_forced_push_is_followed_and_reported(bench: Workbench) -> None:
    bench.commit({"red.yaml": RED})
    lost = bench.commit({"red.yaml": RED, "blue.yaml": BLUE})
    source = bench.source()
    source.look(None)
    amended = bench.commit({"red.yaml": BLUE}, amend=True)

    sighting = source.look(lost)

    assert sighting.revision == amended
    assert sighting.rewritten


def test_only_yaml_and_json_outside_hidden_directories_is_read(bench: Workbench) -> None:
    tip = bench.commit(
        {
            "README.md": b"text",
            ".github/workflows/check.yaml": b"on: push",
            ".hidden.yaml": b"x: 1",
            "a/network.json": b"{}",
            "script.sh": b"exit 1",
        }
    )
    source = bench.source()
    source.look(None)

    snapshot = source.read(tip)

    assert snapshot.files == {"a/network.json": b"{}"}
    assert snapshot.problems == ()


def test_links_and_submodules_are_refused_with_their_places(bench: Workbench) -> None:
    tip = bench.commit(
        {
            "a/link.yaml": Refusal.SYMBOLIC_LINK,
            "red.yaml": RED,
            "vendor": Refusal.SUBMODULE,
            ".cache": Refusal.SYMBOLIC_LINK,
        }
    )
    source = bench.source()
    source.look(None)

    snapshot = source.read(tip)

    assert snapshot.files == {"red.yaml": RED}
    assert [str(problem) for problem in snapshot.problems] == [
        "a/link.yaml: error ATL118: a/link.yaml: symbolic links are not followed."
        " Replace the link by a copy of the file.",
        "vendor: error ATL119: vendor: submodules are not fetched. Commit the files themselves.",
    ]


def test_a_folder_narrows_what_is_read_and_paths_keep_their_root(bench: Workbench) -> None:
    tip = bench.commit(
        {"networks/red.yaml": RED, "networks-old/blue.yaml": BLUE, "link": Refusal.SYMBOLIC_LINK}
    )
    source = bench.source(folder="networks")
    source.look(None)

    snapshot = source.read(tip)

    assert snapshot.files == {"networks/red.yaml": RED}
    assert snapshot.problems == ()


def test_a_missing_folder_is_an_error(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED})
    source = bench.source(folder="networks")
    source.look(None)

    with pytest.raises(SourceError) as caught:
        source.read(tip)

    assert caught.value.problem.code == "ATL803"
    assert caught.value.problem.reason == "the commit has no folder networks"


def test_a_file_beyond_its_limit_is_refused_and_the_others_are_read(bench: Workbench) -> None:
    tip = bench.commit({"big.yaml": b"x" * 101, "red.yaml": RED})
    source = bench.source(limits=ReadLimits(file_bytes=100))
    source.look(None)

    snapshot = source.read(tip)

    assert snapshot.files == {"red.yaml": RED}
    assert [(p.code, p.subject, p.reason) for p in snapshot.problems] == [
        ("ATL101", "big.yaml", "the file is larger than 100 bytes")
    ]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ReadLimits(files=2), "it holds more than 2 YAML and JSON files"),
        (ReadLimits(total_bytes=50), "its YAML and JSON files hold more than 50 bytes"),
    ],
)
def test_a_tree_beyond_its_limits_is_refused_as_a_whole(
    bench: Workbench, limits: ReadLimits, reason: str
) -> None:
    tip = bench.commit({"a.yaml": RED, "b.yaml": RED, "c.yaml": RED})
    source = bench.source(limits=limits)
    source.look(None)

    problems = source.read(tip).problems

    assert [(p.code, p.subject, p.reason) for p in problems] == [("ATL115", ".", reason)]


def test_a_missing_ref_is_an_error_that_names_it(bench: Workbench) -> None:
    bench.commit({"red.yaml": RED})
    source = bench.source()
    source.look(None)
    bench.delete_ref()

    with pytest.raises(SourceError) as caught:
        source.look(None)

    assert caught.value.problem.code == "ATL803"
    assert caught.value.problem.reason == "ref main names no commit"


def test_an_empty_repository_has_no_ref(bench: Workbench) -> None:
    with pytest.raises(SourceError) as caught:
        bench.source().look(None)

    assert caught.value.problem.code == "ATL803"


def test_during_an_outage_looking_fails_and_what_was_seen_is_still_read(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED})
    source = bench.source()
    source.look(None)
    bench.go_away()

    with pytest.raises(SourceError) as caught:
        source.look(tip)

    assert caught.value.problem.code == "ATL802"
    assert source.read(tip).files == {"red.yaml": RED}
