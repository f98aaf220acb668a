"""Problems for machines: one JSON object, with the facts of the command beside them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from compiler.problem import Problem, Severity
from controller.status import ProblemRecord


def problems_json(problems: Iterable[Problem], **facts: object) -> str:
    """Return `{<facts>, "errors": n, "warnings": n, "problems": [...]}`, indented."""
    listed = tuple(problems)
    severities = [problem.severity for problem in listed]
    document = {
        **facts,
        "errors": severities.count(Severity.ERROR),
        "warnings": severities.count(Severity.WARNING),
        "problems": [ProblemRecord.of(problem) for problem in listed],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
