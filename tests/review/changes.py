"""Two commits as files, and what the policy of the first says of the second; no inventory is at hand."""

from __future__ import annotations

from compiler.reachability import changes, reachability_of
from compiler.resolve import resolve
from review.policy_judge import Judgement, judge
from review.policy_text import read_policy
from review.policy_unknown import uncertain_pairs
from tests.compiler.repository import parsed

Files = dict[str, str]


def policy(guards: str = "", *, teams: str = "{security: [alice, bob]}", changes: str = "[carol]") -> str:
    """A policy.yaml whose guards, in flow style, begin in line 8."""
    return (
        "apiVersion: atoll.dev/v1alpha1\n"
        "kind: ReviewPolicy\n"
        "metadata: {name: review}\n"
        "spec:\n"
        f"  teams: {teams}\n"
        f"  changes: {{approvers: {changes}}}\n"
        "  guards:\n"
        f"    [{guards}]\n"
    )


def judged(before: Files, after: Files, *, approved_by: tuple[str, ...] = ()) -> Judgement:
    sides = []
    for files in (before, after):
        declarations = parsed(dict(files)).declarations
        assert declarations is not None
        encoded = {path: text.encode() for path, text in files.items()}
        reach = reachability_of(declarations, resolve(declarations, {}))
        sides.append((declarations, read_policy(encoded), reach))
    (old, was, had), (new, is_now, has) = sides
    return judge(
        (old, was),
        (new, is_now),
        changes(had, has),
        approved_by=approved_by,
        uncertain=uncertain_pairs(old, new),
    )


def acts(judgement: Judgement) -> list[str]:
    """Everything that a guard refuses and the change does, with its places."""
    return [
        f"{breach.subject}: {act.what} ({', '.join(origin.place for origin in act.origins)})"
        for breach in judgement.breaches
        for act in breach.acts
    ]
