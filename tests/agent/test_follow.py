from __future__ import annotations

from pathlib import Path

import pytest

from agent.files import replace_file
from agent.follow import RETRY_SECONDS, Follower
from agent.plan_file import PlanRejected, Publication
from compiler.plan import NodePlan
from tests.agent.node import FakeNode, publication
from tests.compiler.sample_plans import GREEN, node_plan

PLANS: dict[bytes, NodePlan] = {b"all": node_plan(), b"green": node_plan(GREEN)}


def _read(path: Path) -> Publication:
    content = path.read_bytes()
    if content not in PLANS:
        raise PlanRejected(f"{path}: {content.decode()} is no plan")
    return publication(PLANS[content], revision=content.decode())


class Scene:
    def __init__(self, folder: Path) -> None:
        self.node = FakeNode(folder)
        self.plan = folder / "node-a.json"
        self.follower = self._new()

    def _new(self) -> Follower:
        return Follower(engine=self.node.engine, path=self.plan, read=_read, clock=self.node.clock)

    def publish(self, content: bytes) -> None:
        replace_file(self.plan, content)

    def restart(self) -> None:
        self.node.restart()
        self.follower = self._new()

    @property
    def revision(self) -> str | None:
        in_force = self.node.engine.publication
        return in_force.revision if in_force else None


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_no_plan_yet_is_nothing_to_do_and_no_problem(scene: Scene) -> None:
    assert not scene.follower.step()
    assert scene.follower.problem is None


def test_a_published_plan_comes_into_force(scene: Scene) -> None:
    scene.publish(b"all")
    assert scene.follower.step()
    assert scene.revision == "all"


def test_a_file_that_has_not_changed_is_not_read_again(scene: Scene) -> None:
    scene.publish(b"all")
    scene.follower.step()
    assert not scene.follower.step()


def test_a_newer_plan_takes_over(scene: Scene) -> None:
    for content in (b"all", b"green"):
        scene.publish(content)
        scene.follower.step()
    assert scene.revision == "green"


def test_a_plan_that_cannot_be_read_is_reported_and_the_former_stays(scene: Scene) -> None:
    scene.publish(b"all")
    scene.follower.step()
    scene.publish(b"elephant")
    scene.follower.step()
    assert scene.follower.problem == f"{scene.plan}: elephant is no plan"
    assert scene.revision == "all"


def test_a_plan_that_failed_is_tried_again_after_a_while(scene: Scene) -> None:
    refused = "create vrf vn3 group 3 (team-b.green) table 1000003"
    scene.node.kernel.refuse = {refused}
    scene.publish(b"green")
    scene.follower.step()
    assert f"{refused}: Operation not permitted" in (scene.follower.problem or "")
    scene.node.kernel.refuse = set()
    assert not scene.follower.step()
    scene.node.clock.now += RETRY_SECONDS
    assert scene.follower.step()
    assert (scene.follower.problem, scene.revision) == (None, "green")


def test_a_plan_that_goes_away_changes_nothing(scene: Scene) -> None:
    scene.publish(b"all")
    scene.follower.step()
    scene.plan.unlink()
    assert not scene.follower.step()
    assert scene.revision == "all"


def test_a_mended_plan_ends_the_problem(scene: Scene) -> None:
    for content in (b"all", b"elephant", b"all"):
        scene.publish(content)
        scene.follower.step()
    assert scene.follower.problem is None
    assert scene.revision == "all"


def test_a_restart_without_the_controllers_directory_takes_up_the_last_good_plan(scene: Scene) -> None:
    scene.node.engine.apply(
        Publication(revision="all", generation=1, digest="", plan=PLANS[b"all"], content=b"all")
    )
    before = (len(scene.node.kernel.history), len(scene.node.nft.history))
    scene.restart()
    scene.follower.restore(scene.node.folder / "plan.json")
    assert scene.revision == "all"
    assert (len(scene.node.kernel.history), len(scene.node.nft.history)) == before


def test_a_first_start_has_nothing_to_restore(scene: Scene) -> None:
    scene.follower.restore(scene.node.folder / "plan.json")
    assert (scene.revision, scene.follower.problem) == (None, None)
