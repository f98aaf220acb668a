"""The template's pipelines: least rights, pinned actions, nothing of a fork near a token."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.template.workflow_rules import faults

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "repo-template"
WORKFLOWS = sorted((TEMPLATE / ".github" / "workflows").iterdir())


def load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def text_of(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding="utf-8")


def test_there_are_three_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["publish.yaml", "review.yaml", "validate.yaml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_breaks_no_rule(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert list(faults(text, load(text))) == []


@pytest.mark.parametrize(
    ("name", "good", "bad", "fault"),
    [
        ("review", "  pull_request:\n", "  pull_request_target:\n", "pull_request_target"),
        ("review", "permissions: {}", "permissions: {contents: write}", "not empty at the top"),
        ("review", "      contents: read", "      contents: write", "permissions are not"),
        ("publish", "      statuses: write", "      checks: write", "permissions are not"),
        ("review", "persist-credentials: false", "persist-credentials: true", "leaves the token"),
        ("review", '"$NUMBER"', "${{ github.event.pull_request.title }}", "an expression in a script"),
        (
            "review",
            "github.event.pull_request.number }}\n      - uses",
            "github.token }}\n      - uses",
            "computes",
        ),
        ("publish", "${{ github.token }}", "${{ secrets.TOKEN }}", "a secret"),
        (
            "publish",
            "persist-credentials: false",
            "persist-credentials: false\n          ref: x",
            "something else",
        ),
        ("review", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "not pinned"),
        ("review", " # v7.0.1", "", "not pinned"),
        ("review", "actions/setup-python@", "someone/setup-python@", "not an action"),
        ("review", "    timeout-minutes: 10\n", "", "no timeout"),
    ],
)
def test_each_rule_finds_what_breaks_it(name: str, good: str, bad: str, fault: str) -> None:
    text = text_of(f".github/workflows/{name}.yaml")
    assert good in text
    broken = text.replace(good, bad)
    assert any(fault in found for found in faults(broken, load(broken)))


def test_what_publishes_follows_what_computes() -> None:
    publish = load(text_of(".github/workflows/publish.yaml"))
    review = load(text_of(".github/workflows/review.yaml"))
    assert publish["on"] == {"workflow_run": {"workflows": [review["name"]], "types": ["completed"]}}
    (job,) = publish["jobs"].values()
    assert [step.get("run") for step in job["steps"]] == [None, "python3 .review/publish.py github"]


def test_what_is_handed_over_stays_small_however_large_the_cluster_is() -> None:
    review = load(text_of(".github/workflows/review.yaml"))
    given = {
        step["with"]["name"]: step["with"]["path"].split()
        for step in review["jobs"]["compute"]["steps"]
        if "upload-artifact" in step.get("uses", "")
    }
    assert given == {
        "review": ["review/run.json", "review/policy.json", "review/review.md"],
        "report": ["review/review.html", "review/review.json"],
    }
    pipeline = load(text_of(".gitlab-ci.yml"))
    for job in ("check", "compute"):
        assert pipeline[job]["artifacts"]["exclude"] == ["review/inventory.json"]


def test_a_request_that_comes_from_another_branch_is_reviewed() -> None:
    event = load(text_of(".github/workflows/review.yaml"))["on"]["pull_request"]
    assert event == {"branches": ["main"], "types": ["opened", "synchronize", "reopened", "edited"]}


def test_the_computing_job_decides_nothing_about_approvals() -> None:
    for name in (".github/workflows/review.yaml", ".gitlab-ci.yml"):
        runs = [line for line in text_of(name).splitlines() if ".review/compute.py" in line]
        assert runs
        assert all("--leave-approvals" in line for line in runs)


def test_gitlab_computes_for_forks_by_the_default_branchs_own_definition() -> None:
    pipeline = load(text_of(".gitlab-ci.yml"))
    triggered = [{"if": '$CI_PIPELINE_SOURCE == "trigger"'}]
    assert pipeline["workflow"]["rules"][0] == {
        "if": '$CI_PIPELINE_SOURCE == "trigger" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH'
    }
    assert pipeline["compute"]["rules"] == pipeline["publish"]["rules"] == triggered


def test_gitlabs_token_reaches_one_job_alone() -> None:
    pipeline = load(text_of(".gitlab-ci.yml"))
    jobs = {name: job for name, job in pipeline.items() if isinstance(job, dict) and "script" in job}
    assert sorted(jobs) == ["check", "compute", "publish", "validate"]
    assert [name for name, job in jobs.items() if "environment" in job] == ["publish"]
    assert jobs["publish"]["environment"]["name"] == "review"
    assert jobs["publish"]["script"] == ["python3 .review/publish.py gitlab"]


def test_one_file_says_which_version_reviews() -> None:
    pinned = re.findall(r"atoll==(\S+)", text_of(".review/requirements.txt"))
    project = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert pinned == project
    assert f"atoll=={pinned[0]}]" in text_of(".pre-commit-config.yaml")
    installs = [
        line.strip().removeprefix("- ").removeprefix("run: ")
        for path in (*WORKFLOWS, TEMPLATE / ".gitlab-ci.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "pip install" in line
    ]
    assert set(installs) == {"pip install --requirement .review/requirements.txt"}


def test_the_hook_runs_what_the_check_runs() -> None:
    (repository,) = load(text_of(".pre-commit-config.yaml"))["repos"]
    (mine,) = repository["hooks"]
    (ours,) = load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    same = ("id", "name", "entry", "language", "files", "pass_filenames")
    assert {key: mine[key] for key in same} == {key: ours[key] for key in same}
    assert mine["entry"] == "atoll validate ."
    assert re.search(mine["files"], "networks/shop/router.yaml")
    assert not re.search(mine["files"], ".github/workflows/review.yaml")


def test_the_publishing_scripts_need_nothing_but_python() -> None:
    program = (
        "import sys; sys.path.insert(0, '.review'); before = set(sys.modules); import publish, compute;"
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        ["python3", "-I", "-B", "-S", "-c", program], cwd=TEMPLATE, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        "api",
        "change",
        "compute",
        "github",
        "gitlab",
        "payload",
        "publish",
        "result",
    ]
