"""Whatever fails between, the sink ends up with exactly what the server holds."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube import kinds
from kube.api import Gone, Key, ObjectRef, TooManyRequests, Unauthorized, Unreachable
from kube.fake import FakeApi
from kube.reflector import Pace, Phase, Reflector, ReflectorState, Selection
from tests.contracts.apis import config_map
from tests.contracts.mirror import Mirror, held

CONFIG_MAPS = kinds.CONFIG_MAPS
SELECTION = Selection(resource=CONFIG_MAPS, namespace="default")
QUICK = Pace(page=3, first_pause=0.001, longest_pause=0.01)


def put(api: FakeApi, name: str, value: str = "") -> None:
    api.apply(ref(name), config_map(name, {"value": value}), field_manager="test", force=True)


def ref(name: str) -> ObjectRef:
    return ObjectRef(resource=CONFIG_MAPS, name=name, namespace="default")


class Scene:
    """A reflector beside another client, whose network does not fail."""

    def __init__(self, pace: Pace = QUICK) -> None:
        self.api = FakeApi()
        self.other = self.api.beside("other")
        self.mirror = Mirror()
        self.states: list[ReflectorState] = []
        self.told = threading.Condition()
        self.reflector = Reflector(self.api, SELECTION, self.mirror, pace=pace, tell=self._tell)

    def _tell(self, state: ReflectorState) -> None:
        with self.told:
            self.states.append(state)
            self.told.notify_all()

    def wait_for(self, condition: Callable[[ReflectorState], bool]) -> ReflectorState:
        with self.told:
            assert self.told.wait_for(lambda: condition(self.reflector.state), 30), self.states
            return self.reflector.state

    def wait_until_watching(self) -> None:
        with self.other.server.store.changed:
            opened = self.other.server.store.changed.wait_for(lambda: self.api.open_watches == 1, 30)
        assert opened

    def agree(self) -> None:
        self.mirror.wait_for(held(self.other, CONFIG_MAPS, "default"))


@contextmanager
def reflecting(*names: str, pace: Pace = QUICK) -> Iterator[Scene]:
    scene = Scene(pace)
    for name in names:
        put(scene.other, name)
    scene.reflector.start()
    assert scene.reflector.synced.wait(30)
    scene.wait_until_watching()
    yield scene
    scene.reflector.stop()
    assert not scene.reflector.is_running()


def test_a_cut_watch_is_resumed_and_nothing_is_lost() -> None:
    with reflecting("a", "b") as scene:
        scene.api.cut_watches()
        put(scene.other, "c")
        scene.other.delete(ref("a"))
        scene.agree()
        assert scene.reflector.counts.lists == 1


def test_what_vanished_during_an_outage_and_a_compaction_is_removed() -> None:
    with reflecting("a", "b", "c") as scene:
        scene.api.outage = True
        scene.other.delete(ref("a"))
        put(scene.other, "d")
        scene.api.compact()
        scene.api.outage = False
        scene.agree()
        assert scene.reflector.counts.lists == 2


def test_a_new_list_tells_only_what_has_changed() -> None:
    with reflecting("a", "b", "c") as scene:
        scene.api.outage = True
        put(scene.other, "b", "new")
        scene.other.delete(ref("c"))
        scene.api.compact()
        scene.api.outage = False
        scene.mirror.wait_until(lambda mirror: mirror.lists == 2)
        assert scene.mirror.told == ["+a", "+b", "+c", "synced", "+b", "-c", "synced"]


def test_a_compaction_between_pages_begins_the_list_again() -> None:
    scene = Scene()
    for name in "abcdefg":
        put(scene.other, name)
    gone = threading.Event()

    class CompactsOnce(Mirror):
        def changed(self, key: Key, raw: bytes) -> None:
            super().changed(key, raw)
            if key.name == "c" and not gone.is_set():
                scene.other.delete(ref("b"))
                scene.api.compact()
                gone.set()

    scene.mirror = CompactsOnce()
    reflector = Reflector(scene.api, SELECTION, scene.mirror, pace=QUICK)
    reflector.start()
    assert reflector.synced.wait(30)
    reflector.stop()
    assert scene.mirror.told == ["+a", "+b", "+c", "+d", "+e", "+f", "+g", "-b", "synced"]


def test_an_error_event_of_an_expired_version_leads_to_a_new_list() -> None:
    with reflecting("a") as scene:
        status = b'{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}'
        scene.api.inject(b'{"type":"ERROR","object":' + status + b"}")
        scene.mirror.wait_until(lambda mirror: mirror.lists == 2)
        put(scene.other, "b")
        scene.agree()


def test_an_answer_of_410_to_a_watch_leads_to_a_new_list() -> None:
    with reflecting("a") as scene:
        scene.api.cut_watches()
        scene.api.refusals.extend([Unreachable("reset"), Unreachable("reset")])
        scene.api.refusals.append(Gone("too old", status=410, reason="Expired"))
        scene.mirror.wait_until(lambda mirror: mirror.lists == 2)


def test_an_error_event_of_an_overloaded_server_resumes_the_watch() -> None:
    with reflecting("a") as scene:
        status = b'{"kind":"Status","code":429,"reason":"TooManyRequests","message":"slow down"}'
        scene.api.inject(b'{"type":"ERROR","object":' + status + b"}")
        put(scene.other, "b")
        scene.agree()
        assert scene.reflector.counts.lists == 1


@pytest.mark.parametrize(
    "line", [b'{"type":"MODIFIED","object":{"metad', b"<html>", b"[]", b'{"type":1}', b"\xff"]
)
def test_an_unreadable_line_costs_the_connection_and_nothing_else(line: bytes) -> None:
    with reflecting("a") as scene:
        scene.api.inject(line)
        scene.wait_for(lambda state: state.phase is Phase.BROKEN or scene.reflector.counts.failures > 0)
        put(scene.other, "b")
        scene.agree()


def test_an_object_without_a_name_is_passed_over() -> None:
    with reflecting("a") as scene:
        scene.api.inject(b'{"type":"ADDED","object":{"metadata":{"labels":5},"spec":"poison"}}')
        scene.api.inject(b'{"type":"ADDED","object":"poison"}')
        put(scene.other, "b")
        scene.agree()
        assert scene.reflector.counts.nameless == 2
        assert scene.reflector.counts.failures == 0


def test_an_event_of_an_unknown_type_is_taken_as_a_change() -> None:
    with reflecting("a") as scene:
        body = b'{"metadata":{"name":"x","namespace":"default","resourceVersion":"900"}}'
        scene.api.inject(b'{"type":"SOMETHING","object":' + body + b"}")
        scene.mirror.wait_until(lambda mirror: Key("default", "x") in mirror.versions)


def test_a_silent_watch_is_opened_again_and_what_it_kept_back_is_told() -> None:
    with reflecting("a", pace=Pace(first_pause=0.001, longest_pause=0.01, silence=0.2)) as scene:
        scene.api.silence_watches()
        put(scene.other, "b")
        scene.agree()
        assert scene.reflector.counts.failures == 0
        assert scene.reflector.state.phase is Phase.SYNCED


def test_bookmarks_carry_the_version_over_a_compaction() -> None:
    with reflecting("a") as scene:
        scene.other.create(kinds.CONFIG_MAPS, config_map("elsewhere"), namespace="kube-system")
        scene.api.bookmark()
        while not scene.reflector.counts.bookmarks:
            scene.reflector.synced.wait(0.01)
        scene.api.compact()
        scene.api.cut_watches()
        put(scene.other, "b")
        scene.agree()
        assert scene.reflector.counts.lists == 1


def test_a_server_restored_from_a_backup_is_told_from_the_start() -> None:
    with reflecting("a", "b") as scene:
        store = scene.api.server.store
        backup = store.backup()
        put(scene.other, "a", "lost")
        put(scene.other, "c")
        scene.agree()
        with store.changed:
            store.restore(backup)
            put(scene.other, "b", "after")
        scene.agree()
        assert scene.reflector.counts.lists == 2
        assert "went back" in " ".join(state.error for state in scene.states)


def test_the_same_version_of_another_history_is_told_again() -> None:
    with reflecting("a") as scene:
        store = scene.api.server.store
        backup = store.backup()
        put(scene.other, "a", "lost")
        put(scene.other, "b")
        put(scene.other, "c")
        scene.agree()
        with store.changed:
            store.restore(backup)
            put(scene.other, "a", "other")  # in the version that "lost" had
        scene.mirror.wait_until(lambda mirror: mirror.lists == 2)
        assert scene.mirror.told == ["+a", "synced", "+a", "+b", "+c", "+a", "-b", "-c", "synced"]


def test_an_outage_is_visible_and_its_end_too() -> None:
    with reflecting("a") as scene:
        scene.api.outage = True
        broken = scene.wait_for(lambda state: "refused" in state.error)
        assert broken.phase is Phase.BROKEN
        scene.api.outage = False
        assert scene.wait_for(lambda state: state.phase is Phase.SYNCED).error == ""


def test_someone_the_server_does_not_know_keeps_asking() -> None:
    with reflecting("a") as scene:
        refusals = [Unauthorized("who are you?", status=401, reason="Unauthorized") for _ in range(5)]
        scene.api.refusals.extend(refusals)
        scene.api.cut_watches()
        assert scene.wait_for(lambda state: "401" in state.error).phase is Phase.BROKEN
        put(scene.other, "b")
        scene.agree()
        assert scene.reflector.counts.lists == 1


def test_a_sink_that_fails_is_told_again() -> None:
    with reflecting("a", "b") as scene:
        scene.mirror.fails_at = "+b"
        put(scene.other, "b", "new")
        scene.agree()
        assert "RuntimeError: the sink is full" in [state.error for state in scene.states]


def test_a_sink_that_fails_at_the_end_of_a_list_is_told_again() -> None:
    scene = Scene()
    put(scene.other, "a")
    scene.mirror.fails_at = "synced"
    scene.reflector.start()
    assert scene.reflector.synced.wait(30)
    scene.reflector.stop()
    assert scene.mirror.told == ["+a", "synced"]


def test_a_watch_that_always_ends_at_once_is_not_asked_for_in_a_frenzy() -> None:
    pauses: list[float] = []

    class Counting(random.Random):
        def uniform(self, a: float, b: float) -> float:
            pauses.append(b)
            return 0.0

    api = FakeApi()
    reflector = Reflector(
        api, SELECTION, Mirror(), pace=Pace(shortest_watch=0, longest_watch=0), chance=Counting()
    )
    reflector.start()
    while len(pauses) < 8:
        reflector.synced.wait(0.01)
    reflector.stop()
    assert pauses[:8] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]


def test_the_server_is_given_the_time_that_it_asks_for() -> None:
    scene = Scene()
    scene.api.refusals.append(TooManyRequests("later", status=429, retry_after=0.3))
    put(scene.other, "a")
    scene.reflector.start()
    assert not scene.reflector.synced.wait(0.25)
    assert scene.reflector.synced.wait(30)
    scene.reflector.stop()


def test_a_reflector_stops_while_it_waits_for_a_server_that_is_away() -> None:
    scene = Scene(Pace(first_pause=600, longest_pause=600))
    scene.api.outage = True
    scene.reflector.start()
    scene.wait_for(lambda state: state.phase is Phase.BROKEN)
    scene.reflector.stop()
    assert not scene.reflector.is_running()


NAMES = st.sampled_from("abcdef")
FAULTS = ("cut", "outage", "back", "compact", "bookmark", "silence", "garble", "refuse", "settle")
STEPS = st.one_of(
    st.tuples(st.just("put"), NAMES),
    st.tuples(st.just("put"), NAMES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(
        st.sampled_from(
            ("cut", "outage", "back", "compact", "bookmark", "silence", "garble", "refuse", "settle")
        ),
        st.just(""),
    ),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, min_size=5, max_size=40), seed=st.integers(0, 1000))
def test_after_any_faults_the_sink_has_what_the_server_holds(steps: list[tuple[str, str]], seed: int) -> None:
    scene = Scene(Pace(page=2, first_pause=0.0005, longest_pause=0.002, silence=0.05))
    api, other = scene.api, scene.other
    scene.reflector.start()
    for number, (what, name) in enumerate(steps):
        match what:
            case "put":
                put(other, name, str(number))
            case "delete" if Key("default", name) in held(other, CONFIG_MAPS, "default"):
                other.delete(ref(name))
            case "cut":
                api.cut_watches()
            case "outage" | "back":
                api.outage = what == "outage"
            case "compact":
                api.compact()
            case "bookmark":
                api.bookmark()
            case "silence":
                api.silence_watches()
            case "garble":
                api.inject(b'{"type":"ADDED","obj')
            case "refuse":
                api.refusals.extend([Unreachable("busy", status=503), Gone("old", status=410)])
            case "settle" if not api.outage:
                scene.agree()
    api.outage = False
    scene.agree()
    scene.reflector.stop()
    assert not scene.reflector.is_running()
