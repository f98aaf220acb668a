"""`atoll explain`: the answer as text and JSON, its exit code, and where it may look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.node_dump import COMMANDS
from tests.cli.commands import Outcome, atoll
from tests.cli.test_verify import EMPTY_NODE
from tests.contracts.git_workbench import DiskWorkbench
from tests.controller.files import RED_AND_BLUE
from tests.controller.kubectl import inventory_json

ROUTER = b"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: all, namespace: team-a}
spec: {type: mesh, virtualNetworkSelector: {}}
"""


class Desk:
    """A repository whose tip connects red and blue, and an inventory of two pods on red."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bench = DiskWorkbench(root)
        self.bench.commit(RED_AND_BLUE)
        self.tip = self.bench.commit(RED_AND_BLUE | {"all.yaml": ROUTER})
        self.inventory = root / "inventory.json"
        self.inventory.write_bytes(inventory_json({"red-1": "node-1", "red-2": "node-2"}))

    def explain(self, *more: str | Path, programs: Path | None = None) -> Outcome:
        of = ("--repo", self.bench.path, "--inventory", self.inventory)
        return atoll("explain", *more, *of, programs=programs)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_yes_names_the_line_and_who_wrote_it(desk: Desk) -> None:
    outcome = desk.explain("network:red", "network:blue")

    assert (outcome.code, outcome.errors) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "yes: network team-a/red reaches network team-a/blue at tcp/443"
    assert f"    all.yaml:1  {desk.tip[:10]}  author" in lines


def test_a_no_is_the_exit_code(desk: Desk) -> None:
    outcome = desk.explain("red-1", "network:blue", "--revision", "main^")

    assert outcome.code == 1
    assert outcome.out.startswith("no: pod team-a/red-1 does not reach network team-a/blue at tcp/443\n")
    assert "  type: mesh\n" in outcome.out


def test_machines_get_the_whole_answer(desk: Desk) -> None:
    outcome = desk.explain("red-1", "red-2", "udp/53", "--format", "json")

    answer = json.loads(outcome.out)
    assert {key: answer[key] for key in ("format", "reaches", "declared", "protocol", "port")} == {
        "format": 1,
        "reaches": True,
        "declared": True,
        "protocol": "udp",
        "port": 53,
    }
    (there,) = answer["families"][0]["there"]
    assert there["end"] == "delivered to pod team-a/red-2 on node-2"
    assert [step["chain"] for step in there["steps"]][-1] == "forward"


def test_plans_are_read_as_they_were_written(desk: Desk) -> None:
    out = desk.root / "out"
    atoll("compile", "--repo", desk.bench.path, "--inventory", desk.inventory, "--out", out)
    assert desk.explain("red-1", "red-2", "--plans", out).code == 0

    ruleset = out / "nodes" / "node-2" / "ruleset.nft"
    kept = [line for line in ruleset.read_text().splitlines() if "team-a/red > team-a/red" not in line]
    ruleset.write_text("\n".join(kept) + "\n")
    outcome = desk.explain("red-1", "red-2", "--plans", out)

    assert outcome.code == 1
    assert outcome.out.splitlines()[1] == (
        "This is not what is declared: it should reach it. `atoll verify` shows more."
    )


def test_a_plan_that_is_not_understood_is_followed_by_nothing(desk: Desk) -> None:
    out = desk.root / "out"
    atoll("compile", "--repo", desk.bench.path, "--inventory", desk.inventory, "--out", out)
    ruleset = out / "nodes" / "node-1" / "ruleset.nft"
    ruleset.write_text(ruleset.read_text().replace("ct zone set", "quota over 5 mbytes"))

    outcome = desk.explain("red-1", "red-2", "--plans", out)

    assert outcome.code == 3
    assert outcome.errors.startswith("atoll: line ")
    assert outcome.errors.endswith("Nothing was followed; atoll verify says more.\n")


def test_a_pod_without_a_port_on_its_kernel_sends_nothing(desk: Desk, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.mkdir()
    for file, text in EMPTY_NODE.items():
        (dump / file).write_text(text)

    outcome = desk.explain("red-1", "red-2", "--node", "node-1", "--dump", dump)
    assert (outcome.code, outcome.errors) == (
        2,
        "atoll: pod team-a/red-1: node node-1 holds no port of it, so it sends nothing.\n",
    )
    to_it = desk.explain("red-2", "red-1", "--node", "node-1", "--dump", dump)
    assert (to_it.code, to_it.out.splitlines()[1]) == (
        1,
        "This is not what is declared: it should reach it. `atoll verify` shows more.",
    )


def programs_of(folder: Path, ruleset: str) -> Path:
    """Programs nft, ip and bridge that know the commands of a dump alone, of a node that holds nothing."""
    made = {"ruleset.json": ruleset} | {
        file: f"cat <<'END'\n{text}\nEND" for file, text in EMPTY_NODE.items() if file != "ruleset.json"
    }
    folder.mkdir()
    for program in ("nft", "ip", "bridge"):
        cases = (f'"{COMMANDS[file]}") {answer}\n;;' for file, answer in made.items())
        (folder / program).write_text(
            "\n".join(["#!/bin/sh", f'case "{program} $*" in', *cases, "*) exit 9;;", "esac", ""])
        )
        (folder / program).chmod(0o755)
    return folder


def test_a_live_node_is_asked_by_the_commands_of_a_dump(desk: Desk, tmp_path: Path) -> None:
    no_table = "echo 'Error: No such file or directory' >&2; exit 1"
    programs = programs_of(tmp_path / "programs", no_table)

    outcome = desk.explain("red-2", "red-1", "--node", "node-1", "--live", programs=programs)

    assert (outcome.code, outcome.out.splitlines()[1]) == (
        1,
        "This is not what is declared: it should reach it. `atoll verify` shows more.",
    )


def test_a_live_node_that_may_not_be_asked_is_no_answer(desk: Desk, tmp_path: Path) -> None:
    programs = programs_of(tmp_path / "programs", "echo 'Operation not permitted' >&2; exit 1")

    outcome = desk.explain("red-2", "red-1", "--node", "node-1", "--live", programs=programs)

    assert (outcome.code, outcome.out, outcome.errors) == (
        3,
        "",
        "atoll: `nft -j list table inet atoll` failed: Operation not permitted."
        " Run it as root, on the node.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("red-1", "red-2", "http"), 2, "http is no port. Write tcp/443, udp/53 or sctp/5000."),
        (("red-1", "red-2", "tcp/70000"), 2, "tcp/70000 is no port."),
        (("gone", "red-2"), 2, "gone: nothing has this name."),
        (
            ("red-1", "red-2", "--node", "node-1"),
            2,
            "--node goes with --dump or --live, and with one of them.",
        ),
        (("red-1", "red-2", "--plans", "nowhere"), 3, "nowhere/allocations.json: it cannot be read"),
        (("red-1", "red-2", "--node", "node-9", "--dump", "x"), 3, "node node-9 takes no part in networks"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(
    desk: Desk, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    outcome = desk.explain(*arguments)

    assert outcome.code == code
    assert sentence in outcome.errors
    assert "Traceback" not in outcome.errors
