"""publish.py on GitLab: the merge request of the webhook, and nothing that the change says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.template.platform import TOKEN, Platform, serving
from tests.template.scripts import HEAD, OTHER, breach, files, run

REQUEST = "/projects/9/merge_requests/7"
STATUS = f"/projects/9/statuses/{HEAD}"
FIRST_PUSH, SECOND_PUSH = "2026-03-01T09:00:00.000Z", "2026-03-01T11:00:00.000+01:00"


class Stage:
    """A merge request, the webhook's event, and the files of the job before."""

    def __init__(self, folder: Path, platform: Platform) -> None:
        self.folder = folder
        self.platform = platform
        attributes: dict[str, Any] = {"iid": 7, "target_branch": "main"}
        self.event: dict[str, Any] = {"object_kind": "merge_request", "object_attributes": attributes}
        platform.answers = {
            REQUEST: {"state": "opened", "sha": HEAD, "author": {"username": "Mallory"}},
            f"{REQUEST}/approvals": {"approved_by": []},
            f"{REQUEST}/versions": [{"created_at": FIRST_PUSH}, {"created_at": SECOND_PUSH}],
            f"{REQUEST}/notes": [],
            "/user": {"id": 4},
        }
        self.leave(files())

    def leave(self, content: dict[str, bytes]) -> None:
        folder = self.folder / "review"
        folder.mkdir(exist_ok=True)
        for name, text in content.items():
            (folder / name).write_bytes(text)

    def note(self, number: int, author: int, body: str) -> None:
        note = {"id": number, "author": {"id": author}, "body": body}
        self.platform.answers[f"{REQUEST}/notes"].append(note)

    def publish(self, **changed: str) -> CompletedProcess[str]:
        path = self.folder / "payload.json"
        path.write_text(json.dumps(self.event), encoding="utf-8")
        environment = {
            "TRIGGER_PAYLOAD": str(path),
            "ATOLL_REVIEW_TOKEN": TOKEN,
            "CI_API_V4_URL": self.platform.url,
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_ID": "9",
            "CI_PIPELINE_URL": "https://example.com/pipelines/3",
        } | changed
        done = run("publish.py", "gitlab", cwd=self.folder, environment=environment)
        assert self.platform.faults == []
        assert TOKEN not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with serving(Platform()) as platform:
        yield Stage(tmp_path, platform)


def test_note_and_status_tell_the_verdict(stage: Stage) -> None:
    stage.publish()
    note, status = stage.platform.writes
    assert note == (
        "POST",
        f"{REQUEST}/notes",
        {
            "body": "<!-- atoll review -->\n**✅ May pass.** No guarded rule is broken.\n\nwhat it does\n\n"
            "Commit `aaaaaaaaaa`. [How this was computed, and the review as a page]"
            "(https://example.com/pipelines/3)\n"
        },
    )
    assert status == (
        "POST",
        STATUS,
        {
            "state": "success",
            "name": "atoll review",
            "description": "No guarded rule is broken.",
            "target_url": "https://example.com/pipelines/3",
        },
    )


def test_the_note_is_edited_in_place(stage: Stage) -> None:
    stage.note(1, 5, "<!-- atoll review -->\nAll is well!")
    stage.note(2, 4, "<!-- atoll review -->\nformer")
    stage.publish()
    assert stage.platform.writes[0][:2] == ("PUT", f"{REQUEST}/notes/2")


@pytest.mark.parametrize(
    ("approved_by", "state"), [([], "failed"), (["mallory"], "failed"), (["eve", "Carol"], "success")]
)
def test_approvals_are_those_that_gitlab_knows(stage: Stage, approved_by: list[str], state: str) -> None:
    stage.leave(files(verdict="broken", breaches=[breach(approvers=["carol", "mallory"])]))
    people = [{"user": {"username": name}} for name in approved_by]
    stage.platform.answers[f"{REQUEST}/approvals"] = {"approved_by": people}
    stage.publish()
    assert stage.platform.writes[1][2]["state"] == state


@pytest.mark.parametrize(
    ("approved_at", "state"),
    [("2026-03-01T09:59:59.999Z", "failed"), ("2026-03-01T10:00:00.001Z", "success"), (None, "success")],
)
def test_an_approval_of_an_older_commit_does_not_count(
    stage: Stage, approved_at: str | None, state: str
) -> None:
    stage.leave(files(verdict="broken", breaches=[breach()]))
    approval = {"user": {"username": "carol"}, "approved_at": approved_at}
    stage.platform.answers[f"{REQUEST}/approvals"] = {"approved_by": [approval]}
    stage.publish()
    assert stage.platform.writes[1][2]["state"] == state


def test_without_a_status_for_the_commit_of_a_fork_the_comment_is_the_answer(stage: Stage) -> None:
    stage.platform.refused = {STATUS: 404}
    done = stage.publish()
    assert (done.returncode, [write[1] for write in stage.platform.writes]) == (0, [f"{REQUEST}/notes"])
    assert "GitLab takes no status for a commit of a fork: the comment is the answer" in done.stdout


def test_another_refusal_of_the_status_is_a_failure_of_the_job(stage: Stage) -> None:
    stage.platform.refused = {STATUS: 403}
    done = stage.publish()
    assert (done.returncode, done.stderr) == (3, f"publish: POST {STATUS}: HTTP 403\n")


@pytest.mark.parametrize("name", ["ATOLL_REVIEW_TOKEN", "TRIGGER_PAYLOAD"])
def test_a_variable_that_is_not_set_is_named(stage: Stage, name: str) -> None:
    done = stage.publish(**{name: ""})
    assert (done.returncode, stage.platform.writes) == (3, [])
    assert done.stderr == f"publish: {name} is not set for this job: README.md says what to set up\n"


@pytest.mark.parametrize(
    "changed",
    [
        {"object_kind": "push"},
        {"object_attributes": {"iid": 7, "target_branch": "old"}},
        {"object_attributes": {"iid": "7/../8", "target_branch": "main"}},
        {"object_attributes": {"iid": -1, "target_branch": "main"}},
    ],
)
def test_an_event_about_something_else_is_left_alone(stage: Stage, changed: dict[str, Any]) -> None:
    stage.event |= changed
    assert (stage.publish().returncode, stage.platform.writes) == (0, [])


def test_a_request_that_is_closed_is_left_alone(stage: Stage) -> None:
    stage.platform.answers[REQUEST]["state"] = "closed"
    assert (stage.publish().returncode, stage.platform.writes) == (0, [])


def test_files_about_an_older_commit_are_left_to_the_pipeline_of_the_newest(stage: Stage) -> None:
    stage.leave(files(head=OTHER))
    assert (stage.publish().returncode, stage.platform.writes) == (0, [])


def test_without_files_that_is_what_is_told(stage: Stage) -> None:
    (stage.folder / "review" / "run.json").unlink()
    stage.publish()
    assert stage.platform.writes[1][2]["description"] == "The review could not be computed."


def test_a_link_among_the_files_is_not_followed(stage: Stage) -> None:
    (stage.folder / "review" / "review.md").unlink()
    (stage.folder / "secret").write_text("secret", encoding="utf-8")
    (stage.folder / "review" / "review.md").symlink_to(stage.folder / "secret")
    stage.publish()
    assert "secret" not in stage.platform.writes[0][2]["body"]
