"""`policy.yaml` to a policy: every problem with its place, and no policy at all if one is an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import schemas
from compiler.catalogue import found
from compiler.elements import Element
from compiler.kinds import objects_of, subject_of
from compiler.model import Declarations, LabelSelector
from compiler.problem import Origin, Problem, Severity, in_reading_order
from compiler.selectors import selector_of
from compiler.shape import shape_problems
from compiler.wording import cut
from compiler.yaml_text import read
from review.policy import Approvers, Guard, Guarded, Policy

_KIND = "ReviewPolicy"
_TEAM = "team/"


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyReading:
    """What the files of one commit say about reviews."""

    policy: Policy | None = None
    """None where there is none, or where a problem is an error."""
    content: bytes = b""
    """Of the file; empty where there is none."""
    problems: tuple[Problem, ...] = ()

    @property
    def broken(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def read_policy(files: Mapping[str, bytes]) -> PolicyReading:
    """The policy among the files of a commit or directory."""
    paths = sorted(path for path in files if path.rpartition("/")[2] == schemas.POLICY_FILE)
    if not paths:
        return PolicyReading()
    reader = _Reader()
    for path in paths[1:]:
        reader.refuse("ATL225", Origin(path=path), path, f"there is a policy at {paths[0]} already")
    policy = reader.file(paths[0], files[paths[0]])
    problems = in_reading_order(reader.problems)
    reading = PolicyReading(policy=policy, content=files[paths[0]], problems=problems)
    return PolicyReading(content=reading.content, problems=problems) if reading.broken else reading


def idle_guards(policy: Policy, declarations: Declarations) -> Iterator[Problem]:
    """A warning for each guard that selects no network of the commit."""
    for guard in policy.guards:
        if not any(guard.covers(network) for network in declarations.networks):
            reason = f"guard {guard.name} selects no network"
            yield found("ATL319", origin=guard.origin, subject=_KIND, reason=reason)


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.teams: Mapping[str, frozenset[str]] = {}

    def refuse(self, code: str, origin: Origin, subject: str, reason: str) -> None:
        self.problems.append(found(code, origin=origin, subject=subject, reason=reason))

    def file(self, path: str, content: bytes) -> Policy | None:
        text = read(path, content)
        self.problems += text.problems
        objects = [element for document in text.documents for element in objects_of(document)]
        policies = [element for element in objects if _is_policy(element)]
        if not policies and text.complete:
            self.refuse("ATL225", Origin(path=path), path, "it holds no ReviewPolicy")
        for element in policies[1:]:
            self.refuse("ATL225", element.origin, path, "it holds a second ReviewPolicy")
        return self._policy(policies[0]) if policies else None

    def _policy(self, element: Element) -> Policy | None:
        subject = subject_of(element, _KIND)
        wrong = shape_problems(element, group=schemas.ATOLL_GROUP, kind=_KIND, subject=subject)
        self.problems += wrong
        if wrong or not element.document.sound:
            return None
        spec = element["spec"]
        self.teams = _teams(spec.get("teams"))
        guards = spec.get("guards")
        return Policy(
            guards=self._guards(guards, subject) if guards else (),
            changes=self._approvers(spec["changes"], subject),
            origin=element.origin,
        )

    def _guards(self, element: Element, subject: str) -> tuple[Guard, ...]:
        guards: dict[str, Guard] = {}
        for entry in element.entries():
            guard = self._guard(entry, subject)
            earlier = guards.setdefault(guard.name, guard)
            if earlier is not guard:
                reason = f"the guard {guard.name} has the name of the one at {earlier.origin}"
                self.refuse("ATL225", guard.origin, subject, reason)
        return tuple(guards.values())

    def _guard(self, entry: Element, subject: str) -> Guard:
        networks, reason = entry.get("networks"), entry.get("reason")
        return Guard(
            name=entry["name"].text(),
            reason=reason.text() if reason else "",
            networks=selector_of(networks) if networks else LabelSelector(),
            namespaces=frozenset(_texts(entry.get("namespaces"))),
            refuses=frozenset(Guarded(text) for text in _texts(entry["refuse"])),
            approvers=self._approvers(entry, subject),
            origin=entry.origin,
        )

    def _approvers(self, element: Element, subject: str) -> Approvers:
        named, before = element.get("approvers"), len(self.problems)
        people = frozenset(
            person for entry in (named.entries() if named else ()) for person in self._people(entry, subject)
        )
        count = element.get("approvals")
        needed = count.whole() if count else 1
        known = len(self.problems) == before
        if named and known and needed > len(people):
            reason = f"the approvals needed are {needed}, the approvers {len(people)}"
            self.refuse("ATL320", count.origin if count else named.origin, subject, reason)
        return Approvers(people=people, needed=needed)

    def _people(self, entry: Element, subject: str) -> frozenset[str]:
        name = entry.text()
        if not name.startswith(_TEAM):
            return frozenset((name.lower(),))
        team = name.removeprefix(_TEAM)
        if team not in self.teams:
            self.refuse("ATL304", entry.origin, subject, f"`spec.teams` has no team `{cut(team)}`")
        return self.teams.get(team, frozenset())


def _is_policy(element: Element) -> bool:
    kind = element.get("kind")
    return kind is not None and kind.value == _KIND


def _teams(element: Element | None) -> Mapping[str, frozenset[str]]:
    if element is None or not isinstance(element.value, dict):
        return {}
    return {team: frozenset(person.lower() for person in _texts(element.get(team))) for team in element.value}


def _texts(element: Element | None) -> Iterator[str]:
    if element is not None:
        yield from (entry.text() for entry in element.entries())
