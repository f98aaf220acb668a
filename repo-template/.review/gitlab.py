"""GitLab, from a pipeline of the protected default branch that the webhook of a merge request triggered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from api import Api, ApiError, setting
from change import Change
from payload import merge_request
from result import Result, Unusable, from_folder

FOLDER = Path("review")
"""Where the computing job of the same pipeline left its files."""
_CONTEXT = "atoll review"


class GitLab:
    def __init__(self, api: Api, project: int, number: int, run_url: str) -> None:
        self._api = api
        self._project = f"/projects/{project}"
        self._request = f"{self._project}/merge_requests/{number}"
        self._number = number
        self.run_url = run_url

    @staticmethod
    def from_environment() -> GitLab:
        api = Api(setting("CI_API_V4_URL"), {"PRIVATE-TOKEN": setting("ATOLL_REVIEW_TOKEN")})
        number = merge_request(Path(setting("TRIGGER_PAYLOAD")), setting("CI_DEFAULT_BRANCH"))
        return GitLab(api, int(setting("CI_PROJECT_ID")), number or 0, setting("CI_PIPELINE_URL"))

    def change(self) -> Change | None:
        if not self._number:
            return None
        request = self._api.get(self._request)
        if request["state"] != "opened" or self._superseded(request["sha"]):
            return None
        author = request["author"]["username"].lower()
        return Change(number=self._number, head=request["sha"], author=author)

    def _superseded(self, newest: str) -> bool:
        """Whether another commit was reviewed: the event of a newer one has a pipeline of its own."""
        try:
            return self.result().head != newest
        except Unusable:
            return False

    def result(self) -> Result:
        return from_folder(FOLDER)

    def review_changed(self, change: Change) -> bool:
        """No: pipeline and scripts are those of the default branch, whatever the change says."""
        return False

    def approved_by(self, change: Change) -> frozenset[str]:
        """Those since the newest commit came. A GitLab that does not say when has to remove the others."""
        pushes = [_time(version, "created_at") for version in self._api.pages(f"{self._request}/versions")]
        approvals = [
            one
            for one in self._api.get(f"{self._request}/approvals")["approved_by"]
            if not one.get("approved_at") or all(_time(one, "approved_at") >= push for push in pushes)
        ]
        return frozenset(one["user"]["username"].lower() for one in approvals) - {change.author}

    def tell(self, change: Change, marker: str, text: str) -> None:
        me = self._api.get("/user")["id"]
        for note in self._api.pages(f"{self._request}/notes"):
            if note["author"]["id"] == me and note["body"].startswith(marker):
                self._api.put(f"{self._request}/notes/{int(note['id'])}", body=text)
                return
        self._api.post(f"{self._request}/notes", body=text)

    def set_status(self, change: Change, *, passes: bool, description: str) -> None:
        try:
            self._api.post(
                f"{self._project}/statuses/{change.head}",
                state="success" if passes else "failed",
                name=_CONTEXT,
                description=description,
                target_url=self.run_url,
            )
        except ApiError as error:
            if error.code != 404:
                raise
            # A fork's commit is on no branch of this project.
            print("publish: GitLab takes no status for a commit of a fork: the comment is the answer")


def _time(entry: Mapping[str, Any], key: str) -> datetime:
    return datetime.fromisoformat(entry[key])
