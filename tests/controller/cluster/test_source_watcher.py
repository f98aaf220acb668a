"""Following a repository in a thread: what is found, when it is looked for, and what is never told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from msgspec import structs

from controller.cluster.objects import Metadata, ObservedSource, ResourceKey
from controller.cluster.source_spec import Reference, SourceSpec, Verification
from controller.cluster.source_watcher import Finding, SourceWatcher
from controller.git import GitSource, Sighting
from controller.git_memory import MemoryRepository
from controller.signatures import Mode, Signers
from controller.signatures import Verification as Verified
from controller.snapshot import Revision, Snapshot, source_error
from controller.state import Place
from tests.controller.files import RED, RED_AND_BLUE

PATIENCE = 10.0
SPEC = SourceSpec(url="https://git.example.com/networks.git", interval="1h")


def source(*, name: str = "networks", requested_at: str = "", **spec: object) -> ObservedSource:
    metadata = Metadata(
        uid=name,
        resource_version="1",
        generation=1,
        created="2026-01-02T12:00:00Z",
        terminating="",
        finalizers=(),
        labels={},
        origin="",
        revision="",
        requested_at=requested_at,
        owners=(),
    )
    return ObservedSource(
        key=ResourceKey("NetworkSource", "atoll-system", name),
        metadata=metadata,
        spec=structs.replace(SPEC, **spec),
    )


@dataclass(kw_only=True)
class Repositories:
    """Repositories in memory by URL; each look may be held up."""

    by_url: dict[str, MemoryRepository] = field(default_factory=dict)
    failure: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    """Looks wait until it is set."""
    looks: int = 0

    def place_of(self, source: ObservedSource) -> Place:
        return Place(repository=source.spec.url, ref=source.spec.ref.branch, folder=source.spec.path)

    def open(self, source: ObservedSource) -> GitSource:
        self.looks += 1
        if self.failure:
            raise self.failure
        repository = self.by_url[source.spec.url]
        repository.signers = None
        if source.spec.verify:
            repository.signers = Signers(mode=Mode.GPG, keys={"ours": b"key"}, place="Secret keys")
        return Gated(inner=repository, gate=self.gate)


@dataclass(frozen=True, kw_only=True)
class Gated:
    inner: MemoryRepository
    gate: threading.Event

    def look(self, previous: Revision | None) -> Sighting:
        assert self.gate.wait(PATIENCE)
        return self.inner.look(previous)

    def verify(self, previous: Revision | None, revision: Revision) -> Verified:
        return self.inner.verify(previous, revision)

    def read(self, revision: Revision) -> Snapshot:
        return self.inner.read(revision)


@dataclass(kw_only=True)
class Scene:
    repositories: Repositories
    repository: MemoryRepository
    woken: threading.Semaphore
    watcher: SourceWatcher

    def finding(self) -> Finding:
        """Wait for the next one, and take it."""
        assert self.woken.acquire(timeout=PATIENCE)
        found = self.watcher.take()
        assert found
        return found


@pytest.fixture
def scene() -> Iterator[Scene]:
    repository, woken = MemoryRepository(), threading.Semaphore(0)
    repositories = Repositories(by_url={source().spec.url: repository})
    repositories.gate.set()
    watcher = SourceWatcher(repositories=repositories, wake=woken.release, interval_of=lambda source: 3600.0)
    watcher.start()
    yield Scene(repositories=repositories, repository=repository, woken=woken, watcher=watcher)
    repositories.gate.set()
    watcher.stop()


def test_the_first_look_reads_the_commit(scene: Scene) -> None:
    tip = scene.repository.commit(RED)
    scene.watcher.follow(source(), None)
    found = scene.finding()
    assert found.snapshot == Snapshot(revision=tip, files=RED)
    assert found.sighting == Sighting(revision=tip, rewritten=False)
    assert scene.watcher.take() is None


def test_without_a_source_nothing_is_looked_at(scene: Scene) -> None:
    scene.watcher.follow(None, None)
    assert not scene.watcher.await_look(0.05)
    assert scene.repositories.looks == 0


def test_a_suspended_source_is_not_looked_at_until_it_is_resumed(scene: Scene) -> None:
    scene.repository.commit(RED)
    scene.watcher.follow(source(suspend=True), None)
    assert not scene.watcher.await_look(0.05)
    scene.watcher.follow(source(suspend=False), None)
    assert scene.finding().snapshot


def test_a_request_is_answered_by_a_look_and_told_as_handled(scene: Scene) -> None:
    scene.repository.commit(RED)
    scene.watcher.follow(source(), None)
    scene.finding()
    scene.watcher.follow(source(requested_at="now"), None)
    assert scene.finding().handled == "now"


def test_following_the_same_source_every_turn_asks_for_nothing(scene: Scene) -> None:
    scene.repository.commit(RED)
    for _ in range(20):
        scene.watcher.follow(source(), None)
    scene.finding()
    for _ in range(20):
        scene.watcher.follow(source(), Revision("c0ffee"))
    assert scene.repositories.looks == 1


def test_a_failure_is_told_and_the_next_success_too(scene: Scene) -> None:
    scene.repository.commit(RED)
    scene.repository.outage = True
    scene.watcher.follow(source(), None)
    problem = scene.finding().problem
    assert problem
    assert problem.code == "ATL802"
    scene.repository.outage = False
    scene.watcher.follow(source(requested_at="again"), None)
    assert scene.finding().snapshot


@pytest.mark.parametrize(
    "failure", [OSError("No space left on device"), ValueError("'1.5h' is not a duration"), KeyError("x")]
)
def test_whatever_goes_wrong_in_a_look_is_told_and_ends_no_thread(scene: Scene, failure: Exception) -> None:
    scene.repository.commit(RED)
    scene.repositories.failure = failure
    scene.watcher.follow(source(), None)
    problem = scene.finding().problem
    assert problem
    assert type(failure).__name__ in problem.reason
    scene.repositories.failure = None
    scene.watcher.follow(source(requested_at="again"), None)
    assert scene.finding().snapshot


def test_an_interval_that_cannot_be_read_ends_no_thread() -> None:
    def unreadable(source: ObservedSource) -> float:
        raise ValueError("no duration")

    repository, woken = MemoryRepository(), threading.Semaphore(0)
    repository.commit(RED)
    repositories = Repositories(by_url={source().spec.url: repository})
    repositories.gate.set()
    watcher = SourceWatcher(repositories=repositories, wake=woken.release, interval_of=unreadable)
    watcher.start()
    for request in ("one", "two"):
        watcher.follow(source(requested_at=request), None)
        assert woken.acquire(timeout=PATIENCE)
        found = watcher.take()
        assert found
        assert found.handled == request
    watcher.stop()


def test_what_was_found_for_another_repository_is_not_told(scene: Scene) -> None:
    """The source changes while a look is under way."""
    other = "https://git.example.com/others.git"
    scene.repositories.by_url[other] = MemoryRepository()
    tip = scene.repositories.by_url[other].commit(RED_AND_BLUE)
    scene.repository.commit(RED)
    scene.repositories.gate.clear()
    scene.watcher.follow(source(), None)
    _until(lambda: scene.repositories.looks == 1)
    scene.watcher.follow(source(url=other), None)
    scene.repositories.gate.set()
    found = scene.finding()
    assert found.place.repository == other
    assert found.sighting == Sighting(revision=tip, rewritten=False)


def test_what_was_found_before_signatures_were_demanded_is_not_told(scene: Scene) -> None:
    tip = scene.repository.commit(RED)
    scene.watcher.follow(source(), None)
    assert scene.woken.acquire(timeout=PATIENCE)
    demanding = source(verify=Verification(mode="gpg", keys_from=Reference(name="keys")))
    scene.watcher.follow(demanding, None)
    found = scene.finding()
    assert found.snapshot
    assert found.snapshot.files == {}
    assert [problem.code for problem in found.snapshot.problems] == ["ATL810"]
    assert found.sighting == Sighting(revision=tip, rewritten=False)


def test_what_was_found_for_a_source_that_is_gone_is_not_told(scene: Scene) -> None:
    scene.repository.commit(RED)
    scene.watcher.follow(source(), None)
    assert scene.woken.acquire(timeout=PATIENCE)
    scene.watcher.follow(None, None)
    assert scene.watcher.take() is None


def test_requests_that_come_faster_than_looks_lose_no_commit(scene: Scene) -> None:
    scene.repository.commit(RED)
    for number in range(50):
        scene.watcher.follow(source(requested_at=str(number)), None)
    found: list[Finding] = []
    while not found or found[-1].handled != "49":
        assert scene.woken.acquire(timeout=PATIENCE)
        if taken := scene.watcher.take():
            found.append(taken)
    assert any(one.snapshot for one in found)


def test_a_commit_nobody_has_taken_yet_is_not_lost_to_a_failure(scene: Scene) -> None:
    tip = scene.repository.commit(RED)
    scene.watcher.follow(source(), None)
    assert scene.woken.acquire(timeout=PATIENCE)
    scene.repository.outage = True
    scene.watcher.follow(source(requested_at="now"), None)
    assert scene.woken.acquire(timeout=PATIENCE)
    found = scene.watcher.take()
    assert found
    assert found.snapshot
    assert found.snapshot.revision == tip


def test_a_source_made_anew_hears_of_the_failure_that_still_stands(scene: Scene) -> None:
    scene.repository.outage = True
    scene.watcher.follow(source(), None)
    assert scene.finding().problem
    scene.watcher.follow(None, None)
    scene.watcher.follow(source(), None)
    assert scene.finding().problem


def test_keys_that_allow_a_refused_commit_later_are_noticed(scene: Scene) -> None:
    scene.repositories.failure = source_error("ATL813", "Secret keys", "it holds no key")
    tip = scene.repository.commit(RED)
    demanding = source(verify=Verification(mode="gpg", keys_from=Reference(name="keys")))
    scene.watcher.follow(demanding, None)
    assert scene.finding().problem
    scene.repositories.failure = None
    again = replace(demanding, metadata=replace(demanding.metadata, requested_at="now"))
    scene.watcher.follow(again, None)
    found = scene.finding()
    assert found.verification
    assert not found.verification.ok
    assert found.verification.revision == tip


def test_who_waits_for_the_first_look_is_told_when_it_is_over(scene: Scene) -> None:
    scene.repository.outage = True
    scene.watcher.follow(source(), None)
    assert scene.watcher.await_look(PATIENCE)


def _until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to that")
