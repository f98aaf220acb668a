"""`atoll validate`: every problem with its place, exit codes, and both forms of output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import atoll
from tests.contracts.git_workbench import DiskWorkbench
from tests.controller.files import CLUSTER, RED, network

BAD = b"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: red, namespace: team-a}
spec:
  subnets:
    - 10.1.0.5/24
"""


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_good_declarations_are_summed_up(tmp_path: Path) -> None:
    outcome = atoll("validate", write(tmp_path, RED))

    assert (outcome.code, outcome.errors) == (0, "")
    assert outcome.out == "0 errors, 0 warnings in 2 files, 1 network, 0 routers\n"


def test_the_current_directory_is_the_default(tmp_path: Path) -> None:
    assert atoll("validate", cwd=write(tmp_path, RED)).code == 0


def test_a_problem_is_printed_with_its_line_and_a_remedy(tmp_path: Path) -> None:
    outcome = atoll("validate", write(tmp_path, {"cluster.yaml": CLUSTER, "networks/red.yaml": BAD}))

    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert lines[0].startswith("networks/red.yaml:6:7: error ATL402: VirtualNetwork team-a/red: ")
    assert lines[1:4] == [
        "   6 |     - 10.1.0.5/24",
        "     |       ^",
        "     = Write `10.1.0.0/24`",
    ]
    assert lines[-1] == "1 error, 0 warnings in 2 files"


def test_machines_get_problems_as_json(tmp_path: Path) -> None:
    outcome = atoll(
        "validate", write(tmp_path, {"cluster.yaml": CLUSTER, "red.yaml": BAD}), "--format", "json"
    )

    document = json.loads(outcome.out)
    assert outcome.code == 1
    assert {name: document[name] for name in ("revision", "files", "errors", "warnings")} == {
        "revision": "",
        "files": 2,
        "errors": 1,
        "warnings": 0,
    }
    problem = document["problems"][0]
    assert sorted(problem) == ["code", "column", "line", "path", "reason", "remedy", "severity", "subject"]
    assert (problem["code"], problem["severity"]) == ("ATL402", "error")
    assert (problem["path"], problem["line"], problem["column"]) == ("red.yaml", 6, 7)


def test_networks_of_one_routing_domain_that_overlap_are_found_without_a_cluster(tmp_path: Path) -> None:
    router = (
        b"apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetworkRouter\n"
        b"metadata: {name: mesh, namespace: team-a}\n"
        b"spec: {type: mesh, virtualNetworkSelector: {}}\n"
    )
    files = RED | {"blue.yaml": network("blue", "10.1.0.128/25"), "router.yaml": router}

    outcome = atoll("validate", write(tmp_path, files))

    assert outcome.code == 1
    assert outcome.out.startswith(
        "red.yaml:4:18: error ATL411: VirtualNetwork team-a/red: its subnet 10.1.0.0/24"
    )


def test_a_symbolic_link_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, RED)
    (tmp_path / "link.yaml").symlink_to("/etc/passwd")

    outcome = atoll("validate", tmp_path)

    assert outcome.code == 1
    assert outcome.out.startswith("link.yaml: error ATL118: link.yaml: symbolic links are not followed\n")


def test_a_commit_is_judged_whatever_the_tip_holds(tmp_path: Path) -> None:
    bench = DiskWorkbench(tmp_path)
    bench.commit(RED)
    bench.commit({"cluster.yaml": CLUSTER, "red.yaml": BAD})

    assert atoll("validate", "--repo", bench.path).code == 1
    assert atoll("validate", "--repo", bench.path, "--revision", "HEAD~1").code == 0


def test_a_folder_of_a_commit_is_judged_alone(tmp_path: Path) -> None:
    bench = DiskWorkbench(tmp_path)
    bench.commit({f"networks/{path}": text for path, text in RED.items()} | {"bad.yaml": BAD})

    assert atoll("validate", "--repo", bench.path, "--path", "networks").code == 0


def test_a_plain_directory_may_be_given_as_repository(tmp_path: Path) -> None:
    assert atoll("validate", "--repo", write(tmp_path, RED)).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing"], 3, "directory missing: it cannot be read: No such file or directory"),
        (["--repo", "missing"], 3, "missing: there is no such directory. Give the path of a repository."),
        (["--repo", ".", "--revision", "v9"], 3, "it is not a Git repository, so it has no revision v9"),
        (["--repo", ".", "--path", "../x"], 3, "--path ../x: it leads outside the repository."),
        ([".", "--repo", "."], 2, "Give DIRECTORY or --repo, not both."),
        ([".", "--revision", "v9"], 2, "--revision and --path belong to --repo."),
        (
            [".", "--inventory", "missing.json"],
            3,
            "missing.json: it cannot be read: No such file or directory.",
        ),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    outcome = atoll("validate", *arguments, cwd=write(tmp_path, RED))

    assert outcome.code == code
    assert message in outcome.errors
    assert outcome.out == ""
    assert "Traceback" not in outcome.errors


def test_an_unknown_revision_is_said_in_one_line(tmp_path: Path) -> None:
    bench = DiskWorkbench(tmp_path)
    bench.commit(RED)

    outcome = atoll("validate", "--repo", bench.path, "--revision", "v9")

    assert outcome.code == 3
    assert outcome.errors == (
        f"atoll: repository {bench.path}: revision v9 names no commit."
        " Push it, or name a branch, tag, commit or folder that exists.\n"
    )


def test_the_policy_for_reviews_is_judged_with_the_rest(tmp_path: Path) -> None:
    policy = b"""\
apiVersion: atoll.dev/v1alpha1
kind: ReviewPolicy
metadata: {name: review}
spec:
  changes: {approvers: [team/none]}
"""
    outcome = atoll("validate", write(tmp_path, RED | {"policy.yaml": policy}))

    assert outcome.code == 1
    assert outcome.out.startswith("policy.yaml:5:25: error ATL304: ReviewPolicy review: ")
