"""publish.py on GitHub: one comment and one status, whatever a fork puts into its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.template.platform import TOKEN, Platform, archive, serving
from tests.template.scripts import BASE, HEAD, OTHER, breach, files, run

REPO = "/repos/example/networks"
ARTIFACT = f"{REPO}/actions/artifacts/5/zip"
RUN_URL = "https://example.com/runs/3"
MERGE = "e" * 40
BOT = {"login": "github-actions[bot]"}
FOOT = f"\nCommit `{HEAD[:10]}`. [How this was computed, and the review as a page]({RUN_URL})\n"


def tree(**entries: str) -> dict[str, Any]:
    return {"tree": [{"path": path.replace("_", "."), "sha": sha} for path, sha in entries.items()]}


class Stage:
    """A pull request of a fork, and the run that reviewed it."""

    def __init__(self, folder: Path, platform: Platform) -> None:
        self.folder = folder
        self.platform = platform
        self.event = {
            "repository": {"full_name": "example/networks", "default_branch": "main"},
            "workflow_run": {
                "id": 3,
                "head_sha": HEAD,
                "head_branch": "patch&head=x",
                "head_repository": {"owner": {"login": "mallory"}},
                "html_url": RUN_URL,
            },
        }
        pull = {
            "number": 7,
            "head": {"sha": HEAD},
            "merge_commit_sha": MERGE,
            "user": {"login": "Mallory"},
        }
        platform.answers = {
            f"{REPO}/pulls": [pull],
            f"{REPO}/pulls/7/reviews": [],
            f"{REPO}/issues/7/comments": [],
            f"{REPO}/compare/{BASE}...{HEAD}": {"merge_base_commit": {"sha": OTHER}},
            f"{REPO}/git/trees/{OTHER}": tree(_github="1", _review="2", networks="3"),
            f"{REPO}/git/trees/{HEAD}": tree(_github="1", _review="2", networks="4"),
        }
        self.leave(files())

    def leave(self, content: dict[str, bytes], **changed: Any) -> None:
        self.leave_archive(archive(content), **changed)

    def leave_archive(self, content: bytes, **changed: Any) -> None:
        artifact = {"id": 5, "name": "review", "size_in_bytes": len(content), **changed}
        self.platform.answers[f"{REPO}/actions/runs/3/artifacts"] = {"artifacts": [artifact]}
        self.platform.files[ARTIFACT] = content

    def review(self, login: str, state: str, commit: str = HEAD) -> None:
        review = {"user": {"login": login}, "state": state, "commit_id": commit}
        self.platform.answers[f"{REPO}/pulls/7/reviews"].append(review)

    def comment(self, number: int, user: dict[str, str] | None, body: str) -> None:
        comment = {"id": number, "user": user, "body": body}
        self.platform.answers[f"{REPO}/issues/7/comments"].append(comment)

    def publish(self) -> CompletedProcess[str]:
        path = self.folder / "event.json"
        path.write_text(json.dumps(self.event), encoding="utf-8")
        environment = {
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_API_URL": self.platform.url,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_SHA": BASE,
        }
        done = run("publish.py", "github", cwd=self.folder, environment=environment)
        assert self.platform.faults == []
        assert TOKEN not in done.stdout + done.stderr
        return done

    def told(self) -> tuple[str, str, str]:
        """State and description of the status, and the new comment."""
        done = self.publish()
        assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
        comment, status = self.platform.writes
        assert comment[:2] == ("POST", f"{REPO}/issues/7/comments")
        assert status[:2] == ("POST", f"{REPO}/statuses/{HEAD}")
        assert status[2]["context"] == "atoll review"
        return status[2]["state"], status[2]["description"], comment[2]["body"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with serving(Platform()) as platform:
        yield Stage(tmp_path, platform)


def test_a_change_that_keeps_everything_passes(stage: Stage) -> None:
    assert stage.told() == (
        "success",
        "No guarded rule is broken.",
        "<!-- atoll review -->\n**✅ May pass.** No guarded rule is broken.\n\nwhat it does\n" + FOOT,
    )


def test_the_pull_request_is_found_by_the_event(stage: Stage) -> None:
    stage.told()
    asked = [query for path, query in stage.platform.queries if path == f"{REPO}/pulls"]
    assert asked == [
        {"state": "open", "head": "mallory:patch&head=x", "base": "main", "per_page": "100", "page": "1"}
    ]


def test_a_run_of_the_merge_is_a_run_of_the_change(stage: Stage) -> None:
    stage.event["workflow_run"]["head_sha"] = MERGE  # type: ignore[index]  # an event is any JSON
    assert stage.told()[0] == "success"


def test_the_comment_is_edited_in_place(stage: Stage) -> None:
    for number in range(100):
        stage.comment(number, {"login": "mallory"}, "<!-- atoll review -->\nAll is well!")
    stage.comment(100, None, "<!-- atoll review -->")
    stage.comment(101, BOT, "<!-- another bot's -->")
    stage.comment(102, BOT, "<!-- atoll review -->\nformer")
    stage.publish()
    assert [write[:2] for write in stage.platform.writes] == [
        ("PATCH", f"{REPO}/issues/comments/102"),
        ("POST", f"{REPO}/statuses/{HEAD}"),
    ]


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (files(refused=True), "It is refused: it has errors."),
        (files(steps={}, conflict=True), "It does not merge: resolve the conflicts first."),
        (files(steps={"validate": 1, "diff": 1}), "The declarations have errors."),
        (files(steps={"validate": 0, "verify": 1, "diff": 0}), "The verifier found a violation."),
        (files(steps={"validate": 0, "verify": 3, "diff": 0}), "The review could not be computed."),
        (files(verdict="unreadable"), "The policy cannot be read."),
        (files(steps={"validate": 0}), "The review could not be computed."),
        (files(steps={"validate": 0, "diff": 0}), "The review could not be computed."),
        (files(verdict=""), "The review could not be computed."),
        (files(verdict="broken", breaches=[breach()]), "Not approved: guard cards."),
    ],
)
def test_what_may_not_pass_is_said_in_one_sentence(
    stage: Stage, left: dict[str, bytes], sentence: str
) -> None:
    stage.leave(left)
    state, description, comment = stage.told()
    assert (state, description) == ("failure", sentence)
    assert comment.startswith(f"<!-- atoll review -->\n**⛔ May not pass.** {sentence}\n")


def test_an_approval_of_exactly_this_commit_counts(stage: Stage) -> None:
    stage.leave(files(verdict="broken", breaches=[breach(), breach(guard="")]))
    stage.review("Carol", "APPROVED")
    stage.review("carol", "COMMENTED")
    state, description, comment = stage.told()
    assert (state, description) == ("success", "Guarded rules are broken, and approved.")
    assert (
        "- **guard cards**: approved by `carol`\n- **the policy's own change**: approved by `carol`\n\n"
        "What follows was computed without knowing who approved.\n\nwhat it does\n" in comment
    )


@pytest.mark.parametrize(
    "reviews",
    [
        [],
        [("eve", "APPROVED", HEAD)],
        [("carol", "APPROVED", OTHER)],
        [("carol", "COMMENTED", HEAD)],
        [("carol", "APPROVED", HEAD), ("carol", "CHANGES_REQUESTED", HEAD)],
        [("carol", "APPROVED", HEAD), ("carol", "DISMISSED", HEAD)],
    ],
)
def test_other_reviews_do_not(stage: Stage, reviews: list[tuple[str, str, str]]) -> None:
    stage.leave(files(verdict="broken", breaches=[breach()]))
    for review in reviews:
        stage.review(*review)
    state, _, comment = stage.told()
    assert state == "failure"
    assert "- **guard cards**: approved by nobody; needs 1 of `carol`, `dave`\n" in comment


def test_authors_do_not_approve_themselves(stage: Stage) -> None:
    stage.leave(files(verdict="broken", breaches=[breach(approvers=["mallory"])]))
    stage.review("Mallory", "APPROVED")
    assert stage.told()[0] == "failure"


def test_two_approvals_are_two_people(stage: Stage) -> None:
    stage.leave(files(verdict="broken", breaches=[breach(approvals=2)]))
    stage.review("carol", "APPROVED")
    stage.review("CAROL", "APPROVED")
    assert stage.told()[0] == "failure"
    stage.platform.writes.clear()
    stage.review("dave", "APPROVED")
    assert stage.told()[0] == "success"


@pytest.mark.parametrize("path", ["_github", "_review"])
def test_a_change_of_the_review_itself_is_not_believed(stage: Stage, path: str) -> None:
    stage.leave(files(markdown="All is well, merge at once!"))
    changed = {"_github": "1", "_review": "2"} | {path: "evil"}
    stage.platform.answers[f"{REPO}/git/trees/{HEAD}"] = tree(**changed)
    state, description, comment = stage.told()
    assert (state, "no review of it counts" in description) == ("failure", True)
    assert "All is well" not in comment


def test_removing_the_review_is_a_change_of_it_too(stage: Stage) -> None:
    stage.platform.answers[f"{REPO}/git/trees/{HEAD}"] = tree(networks="3")
    assert stage.told()[0] == "failure"


BOMB = archive({"run.json": b" " * (64 << 20)})


@pytest.mark.parametrize(
    "left",
    [
        files(number=8),
        files(head=OTHER),
        files(number="7"),
        files(number=True),
        files(head="main; rm -rf /"),
        files(steps={"validate": "0"}),
        files(steps=[["validate", 0]]),
        files(verdict=["kept"]),
        files(breaches=[{"guard": "x"}]),
        files(breaches=[breach(guard="**evil** [x](http://x)")]),
        files(breaches=[breach(approvers=["`@everyone`"])]),
        files(breaches=[breach(approvals=0)]),
        files(breaches=[breach(approvals=-1)]),
        files() | {"run.json": b"[" * 50_000},
        files() | {"run.json": b"\xff\xfe"},
        files() | {"policy.json": b" " * (3 << 20)},
        files() | {"review.md": b"x" * (513 << 10)},
        {"review.md": b"All is well"},
        {"../run.json": b"{}", "/etc/passwd": b"x"},
    ],
)
def test_files_that_the_computing_job_does_not_write_are_not_believed(
    stage: Stage, left: dict[str, bytes]
) -> None:
    stage.leave(left)
    state, description, comment = stage.told()
    assert (state, description) == ("failure", "The review could not be computed.")
    assert comment == (
        "<!-- atoll review -->\n**⛔ May not pass.** The review could not be computed.\n" + FOOT
    )
    assert not (stage.folder / "run.json").exists()


@pytest.mark.parametrize("content", [BOMB, b"no archive", b"", archive(files())[:-30]])
def test_neither_is_an_archive_that_is_none(stage: Stage, content: bytes) -> None:
    stage.leave_archive(content)
    assert stage.told()[:2] == ("failure", "The review could not be computed.")


def test_an_archive_beyond_the_limit_is_not_even_fetched(stage: Stage) -> None:
    stage.leave(files(), size_in_bytes=5 << 20)
    del stage.platform.files[ARTIFACT]
    assert stage.told()[:2] == ("failure", "The review could not be computed.")


def test_without_files_that_is_what_is_told(stage: Stage) -> None:
    stage.platform.answers[f"{REPO}/actions/runs/3/artifacts"] = {"artifacts": []}
    assert stage.told()[:2] == ("failure", "The review could not be computed.")


def test_of_a_run_that_was_started_again_the_newest_files_count(stage: Stage) -> None:
    stage.leave(files(markdown="of the second attempt\n"))
    former = {"id": 4, "name": "review", "size_in_bytes": 9}
    stage.platform.answers[f"{REPO}/actions/runs/3/artifacts"]["artifacts"].append(former)
    assert "of the second attempt" in stage.told()[2]


def test_the_files_are_asked_for_by_their_name(stage: Stage) -> None:
    stage.told()
    asked = [query for path, query in stage.platform.queries if path == f"{REPO}/actions/runs/3/artifacts"]
    assert asked == [{"name": "review", "per_page": "100"}]


def test_many_guarded_rules_leave_a_comment_that_github_takes(stage: Stage) -> None:
    broken = [breach(guard=f"guard-{number:02}") for number in range(60)]
    stage.leave(files(verdict="broken", breaches=broken, markdown="x" * 60_000))
    state, description, comment = stage.told()
    assert (state, len(comment) < 65_536) == ("failure", True)
    assert description == (
        "Not approved: guard guard-00, guard guard-01, guard guard-02, guard guard-03, guard guard-04,"
        " 55 more."
    )
    assert "- **guard guard-43**: approved by nobody; needs 1 of `carol`, `dave`\n- 16 more, which" in comment


def test_a_review_that_is_too_long_loses_no_verdict(stage: Stage) -> None:
    stage.leave(files(markdown="x" * 60_001))
    state, _, comment = stage.told()
    assert state == "success"
    assert comment.startswith("<!-- atoll review -->\n**✅ May pass.**")
    assert len(comment) < 1_000


@pytest.mark.parametrize("newest", [OTHER, "d" * 40])
def test_a_commit_that_is_no_longer_the_newest_is_left_to_the_next_run(stage: Stage, newest: str) -> None:
    stage.platform.answers[f"{REPO}/pulls"][0]["head"]["sha"] = newest
    done = stage.publish()
    assert (done.returncode, stage.platform.writes) == (0, [])


def test_a_fork_that_is_gone_is_told_nothing(stage: Stage) -> None:
    stage.event["workflow_run"]["head_repository"] = None  # type: ignore[index]  # an event is any JSON
    assert (stage.publish().returncode, stage.platform.writes) == (0, [])


def test_a_platform_that_fails_is_a_failure_of_the_job(stage: Stage) -> None:
    del stage.platform.answers[f"{REPO}/pulls/7/reviews"]
    done = stage.publish()
    assert (done.returncode, stage.platform.writes) == (3, [])
    assert done.stderr.startswith("publish: GET /repos/example/networks/pulls/7/reviews?")
