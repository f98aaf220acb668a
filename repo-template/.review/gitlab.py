"""GitLab, from a pipeline of the protected default branch that the webhook of a merge request triggered."""

from __future__ import annotations

import os
from pathlib import Path

from api import Api
from change import Change
from payload import merge_request
from result import Result, from_folder

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
        api = Api(os.environ["CI_API_V4_URL"], {"PRIVATE-TOKEN": os.environ["ATOLL_REVIEW_TOKEN"]})
        number = merge_request(Path(os.environ["TRIGGER_PAYLOAD"]), os.environ["CI_DEFAULT_BRANCH"])
        return GitLab(api, int(os.environ["CI_PROJECT_ID"]), number or 0, os.environ["CI_PIPELINE_URL"])

    def change(self) -> Change | None:
        if not self._number:
            return None
        request = self._api.get(self._request)
        if request["state"] != "opened":
            return None
        author = request["author"]["username"].lower()
        return Change(number=self._number, head=request["sha"], author=author)

    def result(self) -> Result:
        return from_folder(FOLDER)

    def review_changed(self, change: Change) -> bool:
        """No: pipeline and scripts are those of the default branch, whatever the change says."""
        return False

    def approved_by(self, change: Change) -> frozenset[str]:
        """For this commit only where the project removes approvals when commits are added."""
        approvals = self._api.get(f"{self._request}/approvals")["approved_by"]
        return frozenset(one["user"]["username"].lower() for one in approvals) - {change.author}

    def tell(self, change: Change, marker: str, text: str) -> None:
        me = self._api.get("/user")["id"]
        for note in self._api.pages(f"{self._request}/notes"):
            if note["author"]["id"] == me and note["body"].startswith(marker):
                self._api.put(f"{self._request}/notes/{int(note['id'])}", body=text)
                return
        self._api.post(f"{self._request}/notes", body=text)

    def set_status(self, change: Change, *, passes: bool, description: str) -> None:
        self._api.post(
            f"{self._project}/statuses/{change.head}",
            state="success" if passes else "failed",
            name=_CONTEXT,
            description=description,
            target_url=self.run_url,
        )
