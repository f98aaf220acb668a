"""GitHub, from a `workflow_run` of the default branch.

Which pull request it is, what was computed, and who approved: all by the event and the API, nothing by
what the change says of itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api import Api
from change import Change
from result import Result, Unusable, from_archive

ARTIFACT = "review"
MAX_ARCHIVE = 4 << 20
GUARDED = (".github", ".review")
"""Directories that say how reviews are made."""
_CONTEXT = "atoll review"


class GitHub:
    def __init__(self, api: Api, event: Mapping[str, Any], tip: str, login: str) -> None:
        self._api = api
        self._repository = str(event["repository"]["full_name"])
        self._branch = str(event["repository"]["default_branch"])
        self._run = event["workflow_run"]
        self._tip = tip
        self._login = login
        self.run_url = str(self._run["html_url"])

    @staticmethod
    def from_environment() -> GitHub:
        event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())
        headers = {
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        api = Api(os.environ["GITHUB_API_URL"], headers)
        login = os.environ.get("REVIEW_LOGIN", "github-actions[bot]")
        # A workflow_run is one of the default branch: GITHUB_SHA is its tip.
        return GitHub(api, event, os.environ["GITHUB_SHA"], login)

    def change(self) -> Change | None:
        """The open pull request whose newest commit was reviewed; found by the event, not by the artifact."""
        run = self._run
        if not run["head_repository"]:
            return None  # the fork is gone
        source = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
        path = f"/repos/{self._repository}/pulls"
        for pull in self._api.pages(path, state="open", head=source, base=self._branch):
            # A run for an approval may be one of the merge that GitHub tries, not of the head.
            if run["head_sha"] in (pull["head"]["sha"], pull["merge_commit_sha"]):
                author = pull["user"]["login"].lower()
                return Change(number=int(pull["number"]), head=str(pull["head"]["sha"]), author=author)
        return None

    def result(self) -> Result:
        path = f"/repos/{self._repository}/actions/runs/{self._run['id']}/artifacts"
        listed = self._api.get(path, name=ARTIFACT, per_page="100")["artifacts"]
        found = [one for one in listed if one["name"] == ARTIFACT]
        if not found:
            raise Unusable(f"the computing job left no artifact named {ARTIFACT}")
        # A run that is started again keeps the artifact of each attempt.
        newest = max(found, key=lambda one: int(one["id"]))
        if newest["size_in_bytes"] > MAX_ARCHIVE:
            raise Unusable(f"the artifact has more than {MAX_ARCHIVE:,} bytes")
        number = int(newest["id"])
        return from_archive(self._api.download(f"/repos/{self._repository}/actions/artifacts/{number}/zip"))

    def review_changed(self, change: Change) -> bool:
        """Whether the change touches what computed its review: a fork's workflow is the fork's own word."""
        path = f"/repos/{self._repository}/compare/{self._tip}...{change.head}"
        fork_point = self._api.get(path, per_page="1")["merge_base_commit"]["sha"]
        return self._guarded(fork_point) != self._guarded(change.head)

    def _guarded(self, commit: str) -> dict[str, str]:
        tree = self._api.get(f"/repos/{self._repository}/git/trees/{commit}")["tree"]
        return {entry["path"]: entry["sha"] for entry in tree if entry["path"] in GUARDED}

    def approved_by(self, change: Change) -> frozenset[str]:
        """Whose newest word on exactly this commit is an approval; the author's own does not count."""
        newest: dict[str, str] = {}
        path = f"/repos/{self._repository}/pulls/{change.number}/reviews"
        for review in self._api.pages(path):
            if review["user"] and review["commit_id"] == change.head and review["state"] != "COMMENTED":
                newest[review["user"]["login"].lower()] = review["state"]
        return frozenset(name for name, state in newest.items() if state == "APPROVED") - {change.author}

    def tell(self, change: Change, marker: str, text: str) -> None:
        comments = f"/repos/{self._repository}/issues/{change.number}/comments"
        for comment in self._api.pages(comments):
            mine = comment["user"] and comment["user"]["login"] == self._login
            if mine and comment["body"].startswith(marker):
                number = int(comment["id"])
                self._api.patch(f"/repos/{self._repository}/issues/comments/{number}", body=text)
                return
        self._api.post(comments, body=text)

    def set_status(self, change: Change, *, passes: bool, description: str) -> None:
        self._api.post(
            f"/repos/{self._repository}/statuses/{change.head}",
            state="success" if passes else "failure",
            context=_CONTEXT,
            description=description,
            target_url=self.run_url,
        )
