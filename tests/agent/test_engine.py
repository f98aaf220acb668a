from __future__ import annotations

import errno
import os
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from agent.cni import Command
from agent.engine import ApplyFailed
from agent.fake_kernel import FakeKernel, ForeignLink
from agent.fake_nft import FakeNft
from agent.nft import NftRefused
from compiler.layering import base_layout
from compiler.layout import LinkKind
from compiler.names import NodeNumber, ObjectName
from compiler.plan import Block, Presence
from compiler.rendering import ruleset_of
from tests.agent.node import GRACE, FakeNode, bound, plan_with_pods, publication, request
from tests.compiler.sample_plans import BLUE, GREEN, RED, node_plan

RED_ALONE = replace(RED, peers=())


class Witness(FakeNft):
    """Notes which links exist, and which rules the table holds, at each transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel: FakeKernel | None = None
        self.seen: list[tuple[set[str], set[str]]] = []

    def run(self, transaction: str) -> None:
        super().run(transaction)
        assert self.kernel is not None
        assert self.table is not None
        self.seen.append((set(self.kernel.links), set(self.table.sets["peers"])))


class Refusing(FakeNft):
    word = "elephant"

    def run(self, transaction: str) -> None:
        if self.word in transaction:
            raise NftRefused(f"syntax error, unexpected {self.word}")
        super().run(transaction)


def _repaired(node: FakeNode, *, ruleset_too: bool = False) -> list[str]:
    return [str(done) for done in node.engine.repair(ruleset_too=ruleset_too)]


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def test_a_plan_in_force_is_what_kernel_and_nft_hold(node: FakeNode) -> None:
    plan = node_plan()
    node.apply(plan)
    assert node.kernel.observe().layout == base_layout(plan)
    assert node.nft.listing() == node.nft.canonical(ruleset_of(plan).text)


def test_applying_twice_changes_nothing_the_second_time(node: FakeNode) -> None:
    node.apply(node_plan())
    before = (len(node.kernel.history), len(node.nft.history))
    assert node.apply(node_plan()) == []
    assert (len(node.kernel.history), len(node.nft.history)) == before


def test_a_restarted_agent_adopts_what_it_finds(node: FakeNode) -> None:
    node.apply(node_plan())
    before = (len(node.kernel.history), len(node.nft.history))
    node.restart()
    assert node.apply(node_plan()) == []
    assert (len(node.kernel.history), len(node.nft.history)) == before


def test_openings_go_before_links_change_and_come_after(tmp_path: Path) -> None:
    nft = Witness()
    node = FakeNode(tmp_path, nft=nft)
    nft.kernel = node.kernel
    node.apply(node_plan(RED_ALONE))
    nft.seen.clear()
    blue = replace(BLUE, peers=(), presence=Presence.PRESENT)
    node.apply(node_plan(blue, GREEN))
    tightened, loosened = nft.seen
    assert tightened == ({"vn1", "vx1", "ah1"}, set())
    assert loosened[1] == {"2 . 2", "3 . 3"}


def test_a_change_of_policy_alone_is_one_transaction_and_no_action(node: FakeNode) -> None:
    node.apply(node_plan())
    before = len(node.nft.history)
    assert node.apply(node_plan(services=(), isolated=())) == []
    assert len(node.nft.history) == before + 1


def test_a_network_no_longer_planned_goes_after_its_grace(node: FakeNode) -> None:
    node.apply(node_plan(RED_ALONE, GREEN))
    node.apply(node_plan(RED_ALONE))
    assert node.engine.leaving == (3,)
    assert "vn3" in node.kernel.links
    node.clock.now += GRACE
    assert "remove links of group 3" in _repaired(node)
    assert node.kernel.observe().layout == base_layout(node_plan(RED_ALONE))
    assert not node.engine.leaving


def test_a_network_planned_again_within_its_grace_stays(node: FakeNode) -> None:
    node.apply(node_plan(RED_ALONE, GREEN))
    node.apply(node_plan(RED_ALONE))
    node.apply(node_plan(RED_ALONE, GREEN))
    node.clock.now += GRACE
    assert node.engine.repair(ruleset_too=True) == ()
    assert "vn3" in node.kernel.links


def test_its_policy_goes_at_once_whatever_its_grace(node: FakeNode) -> None:
    node.apply(node_plan(RED_ALONE, GREEN))
    node.apply(node_plan(RED_ALONE))
    assert node.nft.table is not None
    assert set(node.nft.table.sets["peers"]) == {"1 . 1"}


def test_a_network_with_pods_stays_until_they_are_gone(node: FakeNode) -> None:
    node.apply(plan_with_pods(RED_ALONE, GREEN))
    node.ask(request(Command.ADD, "team-b/db-0"))
    node.apply(plan_with_pods(RED_ALONE))
    node.clock.now += 10 * GRACE
    assert node.engine.repair(ruleset_too=False) == ()
    node.ask(request(Command.DEL, "team-b/db-0"))
    assert node.engine.repair(ruleset_too=False) == ()
    node.clock.now += GRACE
    assert "remove links of group 3" in _repaired(node)


def test_a_number_used_again_by_another_network_does_not_keep_the_former_ones_pods(node: FakeNode) -> None:
    node.apply(plan_with_pods(RED_ALONE, GREEN))
    node.ask(request(Command.ADD, "team-b/db-0"))
    other = replace(GREEN, name=ObjectName(namespace="team-z", name="other"))
    node.apply(plan_with_pods(RED_ALONE, other))
    assert not [link for link in node.kernel.links.values() if link.kind is LinkKind.POD_PORT]


def test_a_foreign_link_of_a_networks_name_fails_the_plan_and_keeps_the_former(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, kernel=FakeKernel(foreign=[ForeignLink(name="vx3")]))
    node.apply(node_plan(RED_ALONE))
    with pytest.raises(ApplyFailed) as caught:
        node.apply(node_plan(RED_ALONE, GREEN))
    assert (
        "revision abc1234: create vxlan vx3 group 3 vni 1000003 local 192.168.0.1 master vn3:"
        " a device named vx3 exists and is not Atoll's: rename or remove it"
    ) in str(caught.value)
    assert node.engine.plan == node_plan(RED_ALONE)
    assert node.nft.listing() == node.nft.canonical(ruleset_of(node_plan(RED_ALONE)).text)
    assert set(node.kernel.foreign) == {"vx3"}


def test_a_plan_that_failed_leaves_no_links_of_it_after_the_grace(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, kernel=FakeKernel(foreign=[ForeignLink(name="vx3")]))
    node.apply(node_plan(RED_ALONE))
    with pytest.raises(ApplyFailed):
        node.apply(node_plan(RED_ALONE, GREEN))
    node.clock.now += GRACE
    node.engine.repair(ruleset_too=False)
    assert node.kernel.observe().layout == base_layout(node_plan(RED_ALONE))


def test_a_ruleset_that_nft_refuses_keeps_the_former_plan(tmp_path: Path) -> None:
    nft = Refusing()
    node = FakeNode(tmp_path, nft=nft)
    node.apply(node_plan(RED_ALONE))
    nft.word = "team-b/green"
    with pytest.raises(ApplyFailed, match="unexpected team-b/green"):
        node.apply(node_plan(RED_ALONE, GREEN))
    assert node.nft.listing() == node.nft.canonical(ruleset_of(node_plan(RED_ALONE)).text)
    assert node.kernel.observe().layout == base_layout(node_plan(RED_ALONE))


def test_a_plan_that_contradicts_itself_is_refused_and_changes_nothing(node: FakeNode) -> None:
    node.apply(node_plan(RED_ALONE))
    before = (len(node.kernel.history), len(node.nft.history))
    with pytest.raises(ApplyFailed, match="revision abc1234: the plan contradicts itself: KeyError"):
        node.apply(node_plan(RED, GREEN))
    assert (len(node.kernel.history), len(node.nft.history)) == before


def test_what_came_into_force_is_on_disk_and_what_failed_is_not(node: FakeNode) -> None:
    good = publication(node_plan(RED_ALONE))
    node.engine.apply(good)
    node.kernel.refuse = {"create vrf vn3 group 3 (team-b.green) table 1000003"}
    with pytest.raises(ApplyFailed):
        node.engine.apply(publication(node_plan(RED_ALONE, GREEN)))
    assert (node.folder / "plan.json").read_bytes() == good.content


def test_a_plan_that_cannot_be_kept_on_disk_is_in_force_all_the_same(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.apply(node_plan(RED_ALONE))
    new = publication(node_plan(RED_ALONE, GREEN))
    with monkeypatch.context() as disk:
        disk.setattr("agent.engine.replace_file", _full)
        with pytest.raises(OSError, match="No space left"):
            node.engine.apply(new)
    assert node.engine.publication == new
    assert node.engine.repair(ruleset_too=True) == ()
    assert node.engine.apply(new) == ()
    assert (node.folder / "plan.json").read_bytes() == new.content


def _full(path: Path, content: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_plan_applies_while_a_pod_outlives_its_networks_presence(node: FakeNode) -> None:
    node.apply(plan_with_pods(RED_ALONE, GREEN))
    node.ask(request(Command.ADD, "team-b/db-0"))
    node.apply(plan_with_pods(RED_ALONE, replace(GREEN, presence=Presence.CARRIED)))
    assert "ah3" not in node.kernel.links
    assert [link for link in node.kernel.links.values() if link.master == "vn3" and link.group == 3]
    node.ask(request(Command.DEL, "team-b/db-0"))
    assert node.engine.repair(ruleset_too=True) == ()


def test_the_last_network_keeps_its_way_of_failing_closed_while_its_pods_stay(node: FakeNode) -> None:
    node.apply(plan_with_pods(GREEN))
    node.ask(request(Command.ADD, "team-b/db-0"))
    before = node.kernel.observe().layout
    node.apply(replace(node_plan(services=(), isolated=()), networks=()))
    node.clock.now += GRACE
    node.engine.repair(ruleset_too=False)
    assert node.kernel.observe().layout == before
    node.ask(request(Command.DEL, "team-b/db-0"))
    node.clock.now += GRACE
    node.engine.repair(ruleset_too=False)
    assert not node.kernel.links


def test_links_changed_by_another_hand_are_repaired(node: FakeNode) -> None:
    node.apply(node_plan())
    node.kernel.set_down("vx1")
    assert _repaired(node)[0].startswith("set vxlan vx1")
    assert node.kernel.observe().layout == base_layout(node_plan())


def test_a_ruleset_changed_by_another_hand_is_repaired(node: FakeNode) -> None:
    node.apply(node_plan())
    node.nft.run("add element inet atoll peers { 1 . 3 }")
    assert _repaired(node, ruleset_too=True) == ["replace table inet atoll: it had been changed"]
    assert node.nft.listing() == node.nft.canonical(ruleset_of(node_plan()).text)


def test_a_node_without_a_plan_repairs_nothing(node: FakeNode) -> None:
    assert node.engine.repair(ruleset_too=True) == ()
    assert node.nft.history == []


def test_the_local_table_is_looked_up_at_every_instant(node: FakeNode) -> None:
    node.apply(node_plan())
    node.apply(replace(node_plan(services=(), isolated=()), networks=()))
    node.clock.now += GRACE
    node.engine.repair(ruleset_too=False)
    assert not node.kernel.cut_off


def test_a_plan_that_differs_in_its_pods_alone_costs_neither_kernel_nor_nft_anything(node: FakeNode) -> None:
    node.apply(plan_with_pods(pods=()))
    before = (node.kernel.observations, len(node.kernel.history), len(node.nft.history))
    node.apply(plan_with_pods())
    assert node.engine.plan == plan_with_pods()
    assert (node.kernel.observations, len(node.kernel.history), len(node.nft.history)) == before


def test_a_pod_whose_sandbox_ended_unnoticed_leaves_nothing_to_repair_for_ever(node: FakeNode) -> None:
    node.apply(plan_with_pods())
    node.ask(request(Command.ADD))
    node.kernel.end_pod("/run/netns/c1")
    assert node.engine.repair(ruleset_too=False) == ()


def _astray(node: FakeNode) -> list[str]:
    return [lease.attachment.pod for lease in node.engine.strays]


def test_a_pod_whose_address_was_taken_from_the_node_is_astray(node: FakeNode) -> None:
    asked = replace(RED, blocks=(*RED.blocks, Block(prefix=ip_network("10.1.0.200/32"), node=NodeNumber(1))))
    wide = replace(asked, subnets=(ip_network("10.1.0.0/24"),))
    pods = (bound("team-a/web-0", 1, addresses=("10.1.0.200",)),)
    node.apply(plan_with_pods(wide, BLUE, GREEN, pods=pods))
    node.ask(request(Command.ADD))
    assert _astray(node) == []
    taken = replace(wide, blocks=RED.blocks)
    node.apply(plan_with_pods(taken, BLUE, GREEN))
    assert _astray(node) == ["team-a/web-0"]
    node.apply(plan_with_pods(replace(taken, subnets=(ip_network("10.9.0.0/24"),)), BLUE, GREEN))
    assert _astray(node) == []
