"""compute.py on a scratch repository: what would be merged is judged, nothing of it is run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.controller.kubectl import inventory_json
from tests.template.scripts import TEMPLATE, run

ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "author",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "author",
    "GIT_COMMITTER_EMAIL": "author@example.com",
}
MESH = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: all, namespace: payments}
spec: {type: mesh, virtualNetworkSelector: {}}
"""
NETWORK = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: more, namespace: payments}
spec: {subnets: [10.31.0.0/24]}
"""


MADE = {"__pycache__", ".venv", "out"}
"""Directories that the template's own tools make."""


class Repository:
    """The template's own declarations on the branch main, and a change on another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet", "--initial-branch=main", str(path), at=path.parent)
        files = (path.relative_to(TEMPLATE) for path in TEMPLATE.rglob("*") if path.is_file())
        texts = {
            str(path): (TEMPLATE / path).read_text("utf-8") for path in files if not MADE & {*path.parts}
        }
        self.commit(texts)
        self.git("checkout", "--quiet", "-b", "change")

    def git(self, *arguments: str, at: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=at or self.path,
            env=ENVIRONMENT | {"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, texts: dict[str, str]) -> str:
        for name, text in texts.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def compute(
        self, *more: str, code: int, environment: dict[str, str] | None = None
    ) -> tuple[dict[str, Any], str]:
        """What run.json says, and what was printed."""
        out = self.path.parent / "out"
        done = run(
            "compute.py",
            *("--base", "main", "--head", "change", "--number", "7", "--out", out),
            *more,
            cwd=self.path,
            environment=ENVIRONMENT | (environment or {}),
        )
        assert done.returncode == code, done.stdout + done.stderr
        result: dict[str, Any] = json.loads((out / "run.json").read_bytes())
        return result, done.stdout

    def left(self, name: str) -> str:
        return (self.path.parent / "out" / name).read_text(encoding="utf-8")

    def policy(self) -> Any:
        return json.loads(self.left("policy.json"))["policy"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_a_harmless_change_passes(repository: Repository) -> None:
    head = repository.commit({"networks/payments/more.yaml": NETWORK})
    result, printed = repository.compute(code=0)
    assert result == {
        "number": 7,
        "base": repository.git("rev-parse", "main"),
        "head": head,
        "steps": {"validate": 0, "verify": 0, "diff": 0},
        "conflict": False,
        "refused": False,
    }
    assert repository.policy()["verdict"] == "kept"
    assert "Network payments/more is added." in printed
    assert "Network payments/more is added" in repository.left("review.md")
    assert "<html" in repository.left("review.html")


def test_a_guarded_rule_that_is_broken_is_found(repository: Repository) -> None:
    repository.commit({"networks/payments/more.yaml": NETWORK, "networks/payments/all.yaml": MESH})
    result, printed = repository.compute(code=1)
    assert result["steps"] == {"validate": 0, "verify": 0, "diff": 1}
    assert "Needs approval: this change breaks guard card-data-stays-closed (2 of carol, dave)." in printed
    assert [breach["guard"] for breach in repository.policy()["breaches"]] == ["card-data-stays-closed"]
    repository.compute("--approved-by", "carol", "--approved-by", "dave", code=0)


def test_who_leaves_approvals_to_others_is_told_what_is_broken_and_passes(repository: Repository) -> None:
    repository.commit({"networks/payments/more.yaml": NETWORK, "networks/payments/all.yaml": MESH})
    repository.compute("--leave-approvals", code=0)
    assert repository.policy()["verdict"] == "broken"


def test_a_change_cannot_bring_its_own_policy(repository: Repository) -> None:
    relaxed = (TEMPLATE / "policy.yaml").read_text(encoding="utf-8").replace("data: card", "data: none")
    repository.commit(
        {
            "networks/payments/more.yaml": NETWORK,
            "networks/payments/all.yaml": MESH,
            "policy.yaml": relaxed,
        }
    )
    repository.compute("--leave-approvals", code=0)
    assert [breach["guard"] for breach in repository.policy()["breaches"]] == ["", "card-data-stays-closed"]


def test_errors_are_told_with_their_places(repository: Repository) -> None:
    repository.commit({"networks/payments/more.yaml": NETWORK.replace("10.31.0.0", "10.31.0.1")})
    result, printed = repository.compute("--leave-approvals", code=1)
    assert result["steps"]["validate"] == 1
    assert "networks/payments/more.yaml:4:18: error ATL402" in printed


def test_what_would_be_merged_is_judged(repository: Repository) -> None:
    """Neither side has a fault of its own: two networks with one name come together."""
    repository.commit({"networks/payments/one.yaml": NETWORK})
    repository.git("checkout", "--quiet", "main")
    repository.commit({"networks/payments/two.yaml": NETWORK})
    result, printed = repository.compute("--leave-approvals", code=1)
    assert result["steps"]["validate"] == 1
    assert "the name is already taken by the object at networks/payments/one.yaml:1:1" in printed
    assert repository.git("status", "--porcelain") == ""


def test_conflicts_are_said(repository: Repository) -> None:
    repository.commit({"networks/payments/one.yaml": NETWORK})
    repository.git("checkout", "--quiet", "main")
    repository.commit({"networks/payments/one.yaml": NETWORK.replace("10.31", "10.32")})
    result, printed = repository.compute("--leave-approvals", code=1)
    assert (result["conflict"], result["steps"]) == (True, {})
    assert "resolve the conflicts first" in printed


def test_nothing_of_the_change_is_run(repository: Repository) -> None:
    witness = repository.path.parent / "witness"
    evil = f"import pathlib; pathlib.Path({str(witness)!r}).touch()\n"
    repository.commit(
        {
            "setup.py": evil,
            "sitecustomize.py": evil,
            "compiler/__init__.py": evil,
            "json.py": evil,
            ".review/payload.py": evil,
            "conftest.py": evil,
            ".gitattributes": "* filter=evil merge=evil diff=evil\n",
            "networks/payments/more.yaml": NETWORK,
        }
    )
    repository.git("checkout", "--quiet", "main")
    repository.compute("--leave-approvals", code=0)
    assert not witness.exists()


def test_a_proof_is_made_once_and_told_at_length_only_where_it_fails(repository: Repository) -> None:
    repository.commit({"networks/payments/more.yaml": NETWORK})
    result, printed = repository.compute(code=0)
    assert result["steps"]["verify"] == 0
    assert [line for line in printed.splitlines() if line.startswith("$ atoll")] == [
        "$ atoll validate",
        "$ atoll diff",
    ]


def test_files_that_a_change_brings_to_the_folder_do_not_pass_for_ours(repository: Repository) -> None:
    elsewhere = repository.path.parent / "elsewhere"
    elsewhere.write_text("as it was", encoding="utf-8")
    out = repository.path.parent / "out"
    out.mkdir()
    (out / "policy.json").symlink_to(elsewhere)
    (out / "review.json").write_text('{"certificate": {"proved": true}}', encoding="utf-8")
    repository.commit({"networks/payments/more.yaml": "kind: ["})
    result, _ = repository.compute(code=1)
    assert result["refused"] is True
    assert elsewhere.read_text(encoding="utf-8") == "as it was"


def test_a_folder_that_is_a_link_is_refused(repository: Repository) -> None:
    (repository.path.parent / "aside").mkdir()
    (repository.path.parent / "out").symlink_to(repository.path.parent / "aside")
    done = run(
        "compute.py",
        *("--base", "main", "--head", "change", "--out", repository.path.parent / "out"),
        cwd=repository.path,
        environment=ENVIRONMENT,
    )
    assert done.returncode == 1
    assert "is a symbolic link: give a folder" in done.stderr


def test_names_and_texts_are_no_commands_to_githubs_runner(repository: Repository) -> None:
    repository.commit({"::set-output name=x::y.yaml": "kind: [\n::error::x"})
    _, printed = repository.compute("--leave-approvals", code=1, environment={"GITHUB_ACTIONS": "true"})
    opening, _, rest = printed.partition("\n")
    assert opening.startswith("::stop-commands::")
    assert opening not in rest


def test_labels_of_namespaces_come_from_the_inventory_of_the_base(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "main")
    repository.commit({".review/inventory.json": inventory_json({}).decode()})
    repository.git("checkout", "--quiet", "-B", "change")
    repository.commit({".review/inventory.json": "broken"})
    result, _ = repository.compute("--leave-approvals", code=0)
    assert result["steps"] == {"validate": 0, "verify": 0, "diff": 0}


def test_gitlabs_event_says_which_request(repository: Repository, tmp_path: Path) -> None:
    head = repository.commit({"networks/payments/more.yaml": NETWORK})
    repository.git("update-ref", "refs/merge-requests/3/head", head)
    repository.git("remote", "add", "origin", str(repository.path))
    repository.git("checkout", "--quiet", "main")
    payload = tmp_path / "payload.json"
    attributes = {"iid": 3, "target_branch": "main"}
    payload.write_text(json.dumps({"object_kind": "merge_request", "object_attributes": attributes}))
    result, _ = repository.compute(
        "--head",
        "nothing",
        "--gitlab-payload",
        str(payload),
        "--leave-approvals",
        code=0,
        environment={"CI_DEFAULT_BRANCH": "main"},
    )
    assert (result["number"], result["head"]) == (3, head)


def test_without_atoll_it_says_how_to_install_it(repository: Repository) -> None:
    git = shutil.which("git")
    assert git
    tools = repository.path.parent / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(git)
    environment = ENVIRONMENT | {"PATH": str(tools)}
    done = run("compute.py", "--base", "main", cwd=repository.path, environment=environment)
    assert (done.returncode, done.stderr) == (
        1,
        "review: atoll is not installed: pip install --requirement .review/requirements.txt\n",
    )


def test_a_folder_that_cannot_be_made_is_said_in_one_line(repository: Repository) -> None:
    (repository.path.parent / "file").touch()
    out = repository.path.parent / "file" / "out"
    done = run("compute.py", "--base", "main", "--out", out, cwd=repository.path, environment=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (
        1,
        f"review: {out}: Not a directory: give a folder that can be written to\n",
    )


def test_a_pipeline_without_an_event_says_where_one_comes_from(repository: Repository) -> None:
    environment = ENVIRONMENT | {"CI_DEFAULT_BRANCH": "main"}
    done = run("compute.py", "--gitlab-payload", "", cwd=repository.path, environment=environment)
    assert (done.returncode, done.stderr) == (
        1,
        "review: there is no event: README.md, On GitLab, says how a webhook brings it\n",
    )


def test_histories_that_have_nothing_in_common_are_no_conflict(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--orphan", "alone")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "alone")
    done = run(
        "compute.py", "--base", "main", "--head", "alone", cwd=repository.path, environment=ENVIRONMENT
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "review: git merge-tree failed, it needs Git 2.38 or newer: " in done.stderr
    assert "unrelated histories" in done.stderr


def test_a_base_that_is_not_there_is_said_in_one_line(repository: Repository) -> None:
    done = run("compute.py", "--base", "origin/main", cwd=repository.path, environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "review: git rev-parse failed: is origin/main^{commit} there, and fetched?" in done.stderr


def test_make_does_the_same_without_containers(repository: Repository) -> None:
    repository.commit({"networks/payments/more.yaml": NETWORK})
    programs = repository.path / ".review" / ".venv"
    programs.mkdir()
    (programs / "bin").symlink_to(Path(sys.executable).parent)
    (programs / "made").touch()
    done = subprocess.run(
        ["make", "BASE=main"],
        cwd=repository.path,
        env=ENVIRONMENT | {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Network payments/more is added." in done.stdout
    assert sorted(path.name for path in (repository.path / ".review" / "out").iterdir()) == [
        "policy.json",
        "review.html",
        "review.json",
        "review.md",
        "run.json",
    ]
    assert repository.git("status", "--porcelain") == ""
