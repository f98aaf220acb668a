"""`atoll diff`: two commits or two directories in, a review out, and an exit code for whoever must decide."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

import schemas
from cli.diff_text import print_review
from tests.cli.commands import atoll
from tests.contracts.git_workbench import DiskWorkbench
from tests.controller.files import BROKEN, CLUSTER, RED, network
from tests.controller.kubectl import inventory_json
from tests.golden.review_case import reviewed

ROUTER = b"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: all, namespace: team-a}
spec:
  type: mesh
  virtualNetworkSelector: {}
"""
TWO = RED | {"blue.yaml": network("blue", "10.2.0.0/24")}
JOINED = TWO | {"router.yaml": ROUTER}
PODS = {"red-1": "node-1", "blue-1": "node-2"}


class Desk:
    """A repository whose branch main has all commits, and an inventory."""

    def __init__(self, root: Path) -> None:
        self.bench = DiskWorkbench(root)
        self.bench.environment["GIT_COMMITTER_DATE"] = "2026-11-20T10:00:00Z"
        self.inventory = root / "inventory.json"
        self.inventory.write_bytes(inventory_json(PODS))

    def commit(self, author: str, files: dict[str, bytes], *, folder: str = "") -> str:
        self.bench.environment["GIT_AUTHOR_NAME"] = author
        return self.bench.commit({f"{folder}{path}": content for path, content in files.items()})

    def review(self, base: str, head: str, *more: str | Path) -> dict[str, object]:
        done = atoll("diff", base, head, "--repo", self.bench.path, "--format", "json", *more)
        assert done.errors == ""
        review: dict[str, object] = json.loads(done.out)
        return review


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_line_that_opens_a_way_is_told_with_its_commit_and_author(desk: Desk) -> None:
    desk.commit("Ada", TWO)
    tip = desk.commit("Bea", JOINED)

    review = desk.review("main~1", "main", "--inventory", desk.inventory)

    assert review["headline"] == ["team-a/blue and team-a/red may newly talk."]
    assert review["gained"] == [
        {
            "networks": ["team-a/blue", "team-a/red"],
            "pairs": [["team-a/blue", "team-a/red"]],
            "routers": ["team-a/all"],
            "causes": ["mesh router team-a/all (router.yaml:1)"],
            "lines": [
                {
                    "side": "head",
                    "path": "router.yaml",
                    "line": 1,
                    "object": "VirtualNetworkRouter team-a/all",
                    "text": "",
                    "commit": tip,
                    "author": "Bea",
                }
            ],
        }
    ]


def test_the_line_that_went_is_told_with_the_commit_that_removed_it(desk: Desk) -> None:
    desk.commit("Ada", JOINED)
    remover = desk.commit("Bea", TWO)
    desk.commit("Cyd", TWO | {"README.yaml": b""})

    lost = desk.review("main~2", "main", "--inventory", desk.inventory)["lost"]

    assert isinstance(lost, list)
    assert [(line["path"], line["commit"], line["author"]) for line in lost[0]["lines"]] == [
        ("router.yaml", remover, "Bea")
    ]


def test_lines_of_more_files_than_are_asked_about_are_said_to_have_no_author(desk: Desk) -> None:
    many = {f"{n:02}.yaml": network(f"n{n}", f"10.3.{n}.0/24") for n in range(51)}
    desk.commit("Ada", TWO)
    desk.commit("Bea", TWO | many)

    review = desk.review("main~1", "main")

    assert review["unknown"][-1] == (  # type: ignore[index]  # a list, as the schema says
        "Lines of 51 files of HEAD made the difference: those of the first 50, by path, are told with commit"
        " and author."
    )
    arrivals = [line for one in _list(review["networksAdded"]) for line in one["lines"]]  # type: ignore[index]
    assert [bool(line["author"]) for line in arrivals].count(True) == 50


def test_what_base_did_alone_is_not_taken_for_a_deed_of_head(desk: Desk) -> None:
    start = desk.commit("Ada", TWO)
    aside = desk.bench.commit(TWO | {"empty.yaml": b""}, aside=True)
    desk.commit("Bea", JOINED)

    plain = desk.review("main", aside)
    merged = desk.review("main", aside, "--merge-base")

    assert plain["verdict"] == "cuts"
    assert any("what they did is told here as taken back" in str(one) for one in _list(plain["unknown"]))
    assert (merged["verdict"], merged["base"]) == ("nothing", {"name": "main (merge base)", "commit": start})


def test_a_folder_of_the_repository_is_compared_alone(desk: Desk) -> None:
    desk.commit("Ada", TWO, folder="networks/")
    desk.commit("Bea", JOINED, folder="networks/")

    review = desk.review("main~1", "main", "--path", "networks")

    assert review["verdict"] == "opens"


def test_a_change_may_bring_the_folder_that_base_does_not_have(desk: Desk) -> None:
    desk.commit("Ada", {"README": b"none yet"})
    desk.commit("Bea", JOINED, folder="networks/")

    review = desk.review("main~1", "main", "--path", "networks")

    assert review["verdict"] == "opens"
    assert "BASE has no ClusterConfig" in str(_list(review["unknown"])[0])


def test_a_folder_that_neither_has_is_an_error(desk: Desk) -> None:
    desk.commit("Ada", TWO)

    done = atoll("diff", "main", "main", "--repo", desk.bench.path, "--path", "networks")

    assert done.code == 3
    assert "the commit has no folder networks" in done.errors


def test_two_directories_are_compared_as_they_are(desk: Desk, tmp_path: Path) -> None:
    for name, files in (("old", TWO), ("new", JOINED)):
        (tmp_path / name).mkdir()
        for path, content in files.items():
            (tmp_path / name / path).write_bytes(content)

    done = atoll("diff", "old", "new", "--inventory", desk.inventory, "--format", "markdown", cwd=tmp_path)

    assert (done.code, done.errors) == (0, "")
    assert done.out.startswith(
        "## Atoll review: opens\n\n- team-a/blue and team-a/red may newly talk.\n\nFrom `old` to `new`.\n"
    )


def test_a_refused_head_ends_with_1_and_is_told_all_the_same(desk: Desk) -> None:
    desk.commit("Ada", RED)
    desk.commit("Bea", {"cluster.yaml": CLUSTER, "red.yaml": BROKEN})

    done = atoll("diff", "main~1", "main", "--repo", desk.bench.path)

    assert done.code == 1
    assert done.out.startswith("Atoll review: refused\n  1 error: nothing of this comes into force")


def test_the_same_inputs_give_the_same_bytes(desk: Desk) -> None:
    desk.commit("Ada", TWO)
    desk.commit("Bea", JOINED)
    command = ("diff", "main~1", "main", "--repo", desk.bench.path, "--inventory", desk.inventory)

    first, second = (atoll(*command, "--format", "html") for _ in range(2))

    assert first == second
    assert first.out.startswith("<!doctype html>")


def test_the_json_keeps_to_its_schema(desk: Desk) -> None:
    desk.commit("Ada", TWO)
    desk.commit("Bea", JOINED)

    review = desk.review("main~1", "main", "--inventory", desk.inventory)

    jsonschema.validate(review, json.loads(schemas.text("review.json")))


def test_a_proof_without_an_inventory_is_that_of_a_model_which_it_says(desk: Desk) -> None:
    desk.commit("Ada", TWO)
    desk.commit("Bea", JOINED)

    certificate = desk.review("main~1", "main", "--proof")["certificate"]

    assert isinstance(certificate, dict)
    assert certificate["proved"] is True
    assert certificate["details"][0].startswith("No inventory was given: this is of a model with two nodes")


def test_the_verifier_says_of_head_what_it_proved(desk: Desk) -> None:
    desk.commit("Ada", TWO)
    desk.commit("Bea", JOINED)

    certificate = desk.review("main~1", "main", "--inventory", desk.inventory, "--proof")["certificate"]

    assert isinstance(certificate, dict)
    assert certificate["proved"] is True


def test_a_proof_says_which_networks_no_pod_is_of_yet(desk: Desk) -> None:
    desk.commit("Ada", TWO)
    desk.commit("Bea", JOINED | {"green.yaml": network("green", "10.3.0.0/24")})

    certificate = desk.review("main~1", "main", "--inventory", desk.inventory, "--proof")["certificate"]

    assert isinstance(certificate, dict)
    assert certificate["proved"] is True
    assert "On no node yet, so judged as if each had a pod on node-1" in certificate["line"]
    assert certificate["line"].endswith(": team-a/green")


def test_a_review_is_kept_in_every_form_that_is_kept(desk: Desk, tmp_path: Path) -> None:
    desk.commit("Ada", TWO)
    desk.commit("Bea", JOINED)
    out = tmp_path / "deep" / "out"

    done = atoll("diff", "main~1", "main", "--repo", desk.bench.path, "--format", "json", "--out", out)

    assert done.code == 0
    assert sorted(path.name for path in out.iterdir()) == ["review.html", "review.json", "review.md"]
    assert (out / "review.json").read_text() == done.out
    assert (out / "review.md").read_text().startswith("## Atoll review: opens\n")


def test_outside_a_repository_revisions_name_nothing(tmp_path: Path) -> None:
    done = atoll("diff", "main", "HEAD", cwd=tmp_path)

    assert done.code == 3
    assert done.errors == (
        "atoll: .: there is no Git repository, and BASE and HEAD are not both directories."
        " Name the root of a repository with --repo.\n"
    )


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


@pytest.mark.parametrize("terminal", [True, False])
def test_long_lines_go_on_below_where_they_begin_on_a_terminal_alone(terminal: bool) -> None:
    out = Console(file=StringIO(), width=80, force_terminal=terminal, color_system=None, soft_wrap=True)
    print_review(out, reviewed("guarded-rules-broken"))
    printed = out.file.getvalue().splitlines()  # type: ignore[attr-defined]  # the file given above
    assert (max(map(len, printed)) <= 80) is terminal
    if terminal:
        assert printed[4:6] == [
            "  Connections are cut between shared-services/platform and shop/storefront,",
            "    some from shop/storefront through Services: its routing domain is another.",
        ]
