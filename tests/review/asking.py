"""Questions about the verifier's scene, or about any other ground."""

from __future__ import annotations

from functools import cache

from review.explain import Question, explain
from review.explain_answer import Answer
from review.explain_ground import Ground
from tests.verifier import scene


@cache
def ground() -> Ground:
    return Ground.of(scene.compiled())


def ask(source: str, target: str, port: tuple[str, int] | None = None, on: Ground | None = None) -> Answer:
    return explain(on or ground(), Question(source=source, target=target, port=port))


def reasons(answer: Answer) -> list[str]:
    return [reason.what for reason in answer.reasons]
