"""The judge on what the compiler really made: every golden is proved, and faults are shown as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.compilation import Compilation
from tests.golden.case import CASES, case
from tests.verifier.rendered import meaning_from, texts_of
from verifier.judge import Verdict, judge
from verifier.violation import Violation

ACCEPTED = [name for name in CASES if case(name).after.compilation is not None]


def compiled(golden: str) -> Compilation:
    compilation = case(golden).after.compilation
    assert compilation is not None
    return compilation


def judged(compilation: Compilation) -> Verdict:
    return judge(meaning_from(compilation), [text.read() for text in texts_of(compilation).values()])


def faulty(golden: str, node: str, before: str, after: str) -> tuple[Violation, ...]:
    """The verdict with one text replaced in a node's layout or ruleset."""
    compilation = compiled(golden)
    texts = []
    for name, text in texts_of(compilation).items():
        if name != node:
            texts.append(text)
            continue
        assert (before in text.layout) != (before in text.ruleset), before
        layout, ruleset = text.layout.replace(before, after), text.ruleset.replace(before, after)
        texts.append(replace(text, layout=layout, ruleset=ruleset))
    return judge(meaning_from(compilation), [text.read() for text in texts]).violations


@pytest.mark.parametrize("golden", ACCEPTED)
def test_every_golden_is_proved(golden: str) -> None:
    verdict = judged(compiled(golden))
    assert verdict.proved, "\n".join(map(str, verdict.violations))
    assert verdict.certificate.counts.contested == 0
    assert verdict.certificate.counts.unwitnessed == 0


def test_a_certificate_is_the_same_each_time() -> None:
    assert judged(compiled("mesh")).certificate == judged(compiled("mesh")).certificate
