"""What a workflow of the template may not do, as rules that anybody can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Workflow = Mapping[str, Any]

_PINNED = re.compile(r"actions/(checkout|setup-python|upload-artifact)@[0-9a-f]{40}")
_WITH_VERSION = re.compile(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_WRITES = {
    "publish": {"actions": "read", "contents": "read", "pull-requests": "write", "statuses": "write"},
}
_READS = {"contents": "read"}


def faults(text: str, workflow: Workflow) -> Iterator[str]:
    """Every rule that the workflow breaks. `text` is its file, for what YAML does not keep."""
    events = workflow["on"]
    if "pull_request_target" in events:
        yield "it runs with a token on the word of a fork: pull_request_target"
    if workflow.get("permissions") != {}:
        yield "permissions are not empty at the top"
    for line in text.splitlines():
        if "- uses:" in line and not _WITH_VERSION.search(line):
            yield f"not pinned by commit with its version beside it: {line.strip()}"
    for name, job in workflow["jobs"].items():
        yield from (f"job {name}: {fault}" for fault in _job_faults(name, job, "workflow_run" in events))


def _job_faults(name: str, job: Workflow, trusted: bool) -> Iterator[str]:
    allowed = _WRITES.get(name, _READS) if trusted else _READS
    if job.get("permissions") != allowed:
        yield f"permissions are not {allowed}"
    if "timeout-minutes" not in job:
        yield "no timeout"
    for step in job["steps"]:
        yield from _step_faults(step, trusted)


def _step_faults(step: Workflow, trusted: bool) -> Iterator[str]:
    if "${{" in step.get("run", ""):
        yield f"an expression in a script: {step['run']}"
    action = step.get("uses")
    if action and not _PINNED.fullmatch(action):
        yield f"not an action that the template uses: {action}"
    if action and "checkout" in action:
        if step["with"].get("persist-credentials") is not False:
            yield "checkout leaves the token in the work tree"
        if trusted and {"ref", "repository"} & step["with"].keys():
            yield "a job with a token checks out something else than the default branch"
    values = [*step.get("env", {}).values(), *step.get("with", {}).values()]
    for expression in _EXPRESSION.findall(" ".join(map(str, values))):
        if "secrets." in expression:
            yield f"a secret: {expression.strip()}"
        if "github.token" in expression and not trusted:
            yield "the token goes to a job that computes"
