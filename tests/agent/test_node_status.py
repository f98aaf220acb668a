from __future__ import annotations

import msgspec
import pytest

from agent.node_status import AppliedPlan, Condition, NodeStatus, is_applying, status_of
from agent.plan_file import Stamp
from agent.status_file import AddressUse, AddressWish, AgentStatus, Reason
from compiler.names import NodeName
from controller.cluster.resource_status import NodeStatus as AsTheControllerReadsIt

OLD = Stamp(revision="aaaaaaaaaaaaaaaa", generation=1, digest="sha256:aa")
NEW = Stamp(revision="bbbbbbbbbbbbbbbb", generation=2, digest="sha256:bb")
NOW = "2026-01-02T03:04:05Z"
EARLIER = "2026-01-01T00:00:00Z"


def _report(in_force: Stamp | None = NEW, attempted: Stamp | None = NEW, **changes: object) -> AgentStatus:
    facts: dict[str, object] = {
        "node": NodeName("node-a"),
        "ready": True,
        "reason": Reason.APPLIED,
        "revision": in_force.revision if in_force else "",
        "generation": in_force.generation if in_force else 0,
        "digest": in_force.digest if in_force else "",
        "attempted": attempted,
        "applied_at": EARLIER if in_force else "",
        "errors": (),
        "warnings": (),
        "networks": 3,
        "attachments": 2,
        "addresses": (AddressUse(network="team-a/red", used=2),),
        "leaving": (),
        "transactions": 5,
        "version": "0.1.0",
    }
    return AgentStatus(**{**facts, **changes})  # type: ignore[arg-type]  # keywords by name


def _status(report: AgentStatus, *, problem: str = "", before: NodeStatus | None = None) -> NodeStatus:
    return status_of(report=report, stamp=NEW, generation=9, problem=problem, before=before, now=NOW)


def _ready(status: NodeStatus) -> Condition:
    (ready,) = (condition for condition in status.conditions if condition.type == "Ready")
    return ready


def test_a_plan_in_force_is_told_whole() -> None:
    assert _status(_report()) == NodeStatus(
        observed_generation=9,
        conditions=(
            Condition(
                type="Ready",
                status="True",
                observed_generation=9,
                last_transition_time=NOW,
                reason="Applied",
                message="The plan of commit bbbbbbbbbbbb (generation 2) is in force.",
            ),
        ),
        applied=AppliedPlan(revision="bbbbbbbbbbbbbbbb", generation=2, digest="sha256:bb", at=EARLIER),
        networks=3,
        attachments=2,
        addresses=(AddressUse(network="team-a/red", used=2),),
        agent_version="0.1.0",
    )


def test_the_controller_reads_what_the_agent_writes() -> None:
    status = _status(
        _report(warnings=("w",), leaving=("vn4",), wanted=(AddressWish(network="team-a/red", addresses=17),))
    )
    read = msgspec.json.decode(msgspec.json.encode(status), type=AsTheControllerReadsIt)
    assert msgspec.to_builtins(read) == {
        key: value for key, value in msgspec.to_builtins(status).items() if value not in ((), [], "", 0, None)
    }


def test_a_patch_names_every_field_so_that_nothing_old_stays() -> None:
    patch = NodeStatus().merge_patch()
    assert patch == {
        "status": {
            "observedGeneration": 0,
            "conditions": (),
            "applied": None,
            "errors": (),
            "warnings": (),
            "leaving": (),
            "networks": 0,
            "attachments": 0,
            "addresses": (),
            "wanted": (),
            "agentVersion": "",
        }
    }


def test_while_ready_stays_what_it_was_its_time_stays_too() -> None:
    before = _status(_report())
    later = status_of(report=_report(), stamp=NEW, generation=10, problem="", before=before, now="later")
    assert _ready(later).last_transition_time == NOW
    assert _ready(later).observed_generation == 10


def test_a_change_of_ready_has_its_own_time() -> None:
    before = _status(_report())
    failed = _report(in_force=OLD, reason=Reason.APPLY_FAILED, errors=("vrf vn3: no",))
    after = status_of(report=failed, stamp=NEW, generation=9, problem="", before=before, now="later")
    assert (_ready(after).status, _ready(after).last_transition_time) == ("False", "later")


def test_a_plan_that_was_not_looked_at_yet_is_being_applied() -> None:
    before = NodeStatus(observed_generation=8)
    status = _status(_report(in_force=OLD, attempted=OLD), before=before)
    assert is_applying(status)
    assert [(one.type, one.status, one.reason) for one in status.conditions] == [
        ("Ready", "False", "Applying"),
        ("Reconciling", "True", "Applying"),
    ]
    assert _ready(status).message == (
        "The plan of commit bbbbbbbbbbbb (generation 2) is being applied;"
        " the plan of commit aaaaaaaaaaaa (generation 1) stays in force."
    )
    assert status.observed_generation == 8


def test_a_plan_that_the_kernel_refuses_is_told_with_what_stays() -> None:
    report = _report(in_force=OLD, ready=False, reason=Reason.APPLY_FAILED, errors=("vrf vn3: File exists",))
    status = _status(report)
    assert (_ready(status).status, _ready(status).reason) == ("False", "ApplyFailed")
    assert _ready(status).message == (
        "vrf vn3: File exists; the plan of commit aaaaaaaaaaaa (generation 1) stays in force."
    )
    assert status.observed_generation == 9
    assert status.applied == AppliedPlan(
        revision="aaaaaaaaaaaaaaaa", generation=1, digest="sha256:aa", at=EARLIER
    )
    assert status.errors == ("vrf vn3: File exists",)


def test_a_plan_that_never_arrived_is_rejected_whatever_the_engine_says() -> None:
    status = _status(_report(in_force=OLD, attempted=OLD), problem="NodeNetwork node-a: its plan is cut")
    assert _ready(status).reason == "PlanRejected"
    assert _ready(status).message == (
        "NodeNetwork node-a: its plan is cut; the plan of commit aaaaaaaaaaaa (generation 1) stays in force."
    )
    assert status.errors == ("NodeNetwork node-a: its plan is cut",)


def test_a_first_plan_that_fails_leaves_none() -> None:
    report = _report(in_force=None, ready=False, reason=Reason.PLAN_REJECTED, errors=("not a plan.",))
    assert _ready(_status(report)).message == "not a plan; no plan is in force."
    assert _status(report).applied is None


def test_what_is_in_force_and_cannot_be_repaired_is_not_ready() -> None:
    report = _report(ready=False, reason=Reason.REPAIR_FAILED, errors=("repair: no",))
    assert (_ready(_status(report)).status, _ready(_status(report)).reason) == ("False", "RepairFailed")


def test_the_twin_is_ready_as_a_twin() -> None:
    status = _status(_report(twin=True, warnings=("this agent is the kernel-free twin",)))
    assert (_ready(status).status, _ready(status).reason) == ("True", "Twin")
    assert _ready(status).message == (
        "The plan of commit bbbbbbbbbbbb (generation 2) is in force on a simulated kernel:"
        " this is the kernel-free twin, which enforces nothing."
    )
    assert status.agent_version == "0.1.0+twin"


def test_texts_are_bounded_in_number_and_length() -> None:
    report = _report(ready=False, errors=tuple("x" * 5000 for _ in range(25)))
    status = _status(report)
    assert len(status.errors) == 21
    assert {len(error) for error in status.errors[:20]} == {1000}
    assert status.errors[20] == "and 5 more; the agent's log has them"
    assert len(_ready(status).message) < 1200


@pytest.mark.parametrize("revision", ["", "bbb"])
def test_a_revision_that_is_no_commit_is_told_as_it_is(revision: str) -> None:
    stamp = Stamp(revision=revision, generation=2, digest="sha256:bb")
    status = status_of(
        report=_report(in_force=stamp, attempted=stamp),
        stamp=stamp,
        generation=9,
        problem="",
        before=None,
        now=NOW,
    )
    assert f"commit {revision or 'unnamed'} (generation 2)" in _ready(status).message
