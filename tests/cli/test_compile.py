"""`atoll compile`: files that depend on the inputs alone, and nothing where there is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import atoll
from tests.contracts.git_workbench import DiskWorkbench
from tests.controller.files import BROKEN, CLUSTER, RED, RED_AND_BLUE, network
from tests.controller.kubectl import inventory_json

PODS = {"red-1": "node-1", "red-2": "node-2"}


class Desk:
    """A repository, an inventory and a place for output."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bench = DiskWorkbench(root)
        self.inventory = root / "inventory.json"
        self.inventory.write_bytes(inventory_json(PODS))

    def compile(self, out: str, *more: str | Path) -> tuple[int, str, str]:
        outcome = atoll(
            "compile",
            "--repo",
            self.bench.path,
            "--inventory",
            self.inventory,
            "--out",
            self.root / out,
            *more,
        )
        return outcome.code, outcome.out, outcome.errors

    def files(self, out: str) -> dict[str, bytes]:
        folder = self.root / out
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_every_file_is_written(desk: Desk) -> None:
    desk.bench.commit(RED)

    code, out, errors = desk.compile("out")

    assert (code, errors) == (0, "")
    assert out == f"0 errors, 0 warnings; 1 network on 2 nodes written to {desk.root}/out\n"
    files = desk.files("out")
    assert list(files) == [
        "allocations.json",
        "nodes/node-1/layout.txt",
        "nodes/node-1/plan.json",
        "nodes/node-1/ruleset.nft",
        "nodes/node-2/layout.txt",
        "nodes/node-2/plan.json",
        "nodes/node-2/ruleset.nft",
        "origins.json",
        "reachability.json",
        "reachability.txt",
    ]
    assert files["nodes/node-1/ruleset.nft"].startswith(b"table inet atoll {")
    assert b"altname team-a.red" in files["nodes/node-1/layout.txt"]
    assert b"team-a/red" in files["reachability.txt"]


def test_origins_name_the_lines_of_the_commit(desk: Desk) -> None:
    tip = desk.bench.commit(RED)
    desk.compile("out")

    assert json.loads(desk.files("out")["origins.json"]) == {
        "revision": tip,
        "objects": {"ClusterConfig": "cluster.yaml:1:1", "VirtualNetwork team-a/red": "red.yaml:1:1"},
        "subnets": {"team-a/red": {"10.1.0.0/24": "red.yaml:4:18"}},
    }


def test_the_same_inputs_give_the_same_bytes(desk: Desk) -> None:
    desk.bench.commit(RED_AND_BLUE)
    desk.compile("one")
    desk.compile("two")

    assert desk.files("one") == desk.files("two")


def test_earlier_allocations_keep_their_numbers(desk: Desk) -> None:
    desk.bench.commit(RED)
    desk.compile("first")
    desk.bench.commit(RED | {"amber.yaml": network("amber", "10.3.0.0/24")})

    desk.compile("kept", "--allocations", desk.root / "first" / "allocations.json")
    desk.compile("anew")

    kept, anew = (
        json.loads(desk.files(out)["nodes/node-1/plan.json"])["networks"] for out in ("kept", "anew")
    )
    assert [entry["number"] for entry in kept] == [1]
    assert [entry["number"] for entry in anew] == [2]


def test_a_revision_is_compiled_as_it_was(desk: Desk) -> None:
    first = desk.bench.commit(RED)
    desk.bench.commit(RED | {"red.yaml": BROKEN})

    code, out, _ = desk.compile("out", "--revision", "HEAD~1", "--format", "json")

    document = json.loads(out)
    assert code == 0
    assert document == {
        "revision": first,
        "out": f"{desk.root}/out",
        "generation": 1,
        "networks": 1,
        "nodes": 2,
        "errors": 0,
        "warnings": 0,
        "problems": [],
    }


def test_with_an_error_nothing_is_written(desk: Desk) -> None:
    desk.bench.commit(RED | {"red.yaml": BROKEN})

    code, out, _ = desk.compile("out")

    assert code == 1
    assert out.startswith("red.yaml:4:1: error ATL104: ")
    assert out.endswith("1 error, 0 warnings; nothing was written\n")
    assert not (desk.root / "out").exists()


def test_files_of_nodes_that_are_gone_are_removed_and_others_left(desk: Desk) -> None:
    desk.bench.commit(RED)
    desk.compile("out")
    (desk.root / "out" / "notes.txt").write_text("mine")
    (desk.root / "out" / "nodes" / "mine").mkdir()
    desk.inventory.write_bytes(inventory_json({"red-1": "node-1"}, nodes=1))

    desk.compile("out")

    assert sorted(path.name for path in (desk.root / "out" / "nodes").iterdir()) == ["mine", "node-1"]
    assert (desk.root / "out" / "notes.txt").read_text() == "mine"


def test_a_plain_directory_is_compiled_too(desk: Desk) -> None:
    folder = desk.root / "networks"
    folder.mkdir()
    (folder / "cluster.yaml").write_bytes(CLUSTER)
    (folder / "red.yaml").write_bytes(RED["red.yaml"])

    outcome = atoll(
        "compile",
        "--repo",
        folder,
        "--inventory",
        desk.inventory,
        "--out",
        desk.root / "out",
        "--format",
        "json",
    )

    assert outcome.code == 0
    assert json.loads(outcome.out)["revision"] == ""


@pytest.mark.parametrize(
    ("inventory", "message"),
    [
        (None, "it cannot be read: No such file or directory"),
        (b"", "inventory.json: "),
        (b'{"kind": "List", "apiVersion": "v1", "items": []}', "it holds no object"),
        (inventory_json({}, nodes=0), "it holds no node, so it cannot be of a cluster"),
        (b"error: no such resource", "inventory.json: it holds no node, so it cannot be of a cluster"),
    ],
    ids=["missing", "empty", "no objects", "no nodes", "no inventory"],
)
def test_an_inventory_of_no_use_is_said_in_one_line(
    desk: Desk, inventory: bytes | None, message: str
) -> None:
    desk.bench.commit(RED)
    desk.inventory.unlink()
    if inventory is not None:
        desk.inventory.write_bytes(inventory)

    code, out, errors = desk.compile("out")

    assert (code, out) == (3, "")
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "Leave --allocations out for the first compilation."), (b"{", "Restore it")],
)
def test_allocations_of_no_use_are_said_in_one_line(desk: Desk, content: bytes | None, message: str) -> None:
    desk.bench.commit(RED)
    path = desk.root / "allocations.json"
    if content is not None:
        path.write_bytes(content)

    code, out, errors = desk.compile("out", "--allocations", path)

    assert (code, out) == (3, "")
    assert message in errors
    assert errors.count("\n") == 1


def test_an_output_that_cannot_be_written_is_said_in_one_line(desk: Desk) -> None:
    desk.bench.commit(RED)
    (desk.root / "out").write_text("a file")

    code, _, errors = desk.compile("out")

    assert code == 3
    assert (
        errors
        == (f"atoll: {desk.root}/out: Not a directory. Give a directory that can be written to as --out.\n")
        or "Give a directory that can be written to as --out." in errors
    )
