"""What every Publisher does: the one in memory, the directory, the API server."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path
from typing import Protocol

import pytest

from agent.plan_file import read_publication
from agent.status_file import AgentStatus, write_status
from compiler import codec
from compiler.allocations import Allocations, NodeAllocation
from compiler.names import NodeName, NodeNumber
from compiler.plan import Datapath, NodePlan
from controller.actions import (
    Action,
    KeepAllocations,
    KeepCommit,
    PublishPlan,
    PublishReachability,
    PublishStatus,
    WithdrawPlan,
)
from controller.cluster.objects import ResourceKey, decode_node
from controller.cluster.publisher import ClusterPublisher
from controller.cluster.records import Records
from controller.publication import PlanStamp, PublicationError, Published, Publisher, Report
from controller.publish import DirectoryPublisher
from controller.publish_memory import MemoryPublisher
from controller.snapshot import Revision, Snapshot
from controller.status import CommitRecord, Status
from kube.api import ObjectRef
from kube.fake import FakeApi
from kube.kinds import NAMESPACES, NODE_NETWORKS

A, B = NodeName("node-a"), NodeName("node-b")
FIRST = Revision("1" * 40)


def plan_of(node: NodeName, number: int) -> NodePlan:
    datapath = Datapath(
        number_base=1_000_000,
        vxlan_port=14789,
        mtu=1500,
        host_links_v4=IPv4Network("100.64.0.0/15"),
        host_links_v6=IPv6Network("fd41:746f:6c6c::/111"),
        service_ranges=(),
        cluster_ranges=(),
    )
    return NodePlan(
        name=node,
        number=NodeNumber(number),
        address=IPv4Address("192.0.2.1"),
        datapath=datapath,
        remotes=(),
        networks=(),
        services=(),
        isolated=(),
        pods=(),
    )


def publish(node: NodeName, number: int, generation: int = 1) -> PublishPlan:
    plan = plan_of(node, number)
    return PublishPlan(plan=plan, revision=FIRST, generation=generation, digest=codec.digest(plan))


STATUS = Status(
    repository="https://git.example.com/networks.git",
    ref="main",
    path="",
    seen=CommitRecord(revision=FIRST, at="2026-01-02T12:00:00Z"),
    applied=None,
    generation=1,
    confirmed=0,
    problems=(),
    source_problem=None,
    inventory_problems=(),
    nodes=(),
)
ALLOCATIONS = Allocations(generation=1, nodes={A: NodeAllocation(number=NodeNumber(1))})


class Bench(Protocol):
    @property
    def publisher(self) -> Publisher: ...

    def report(self, status: AgentStatus) -> None: ...


class MemoryBench:
    def __init__(self) -> None:
        self.publisher = MemoryPublisher()

    def report(self, status: AgentStatus) -> None:
        self.publisher.agents[status.node] = Report(
            generation=status.generation, digest=status.digest, errors=status.errors, leaving=status.leaving
        )


class DirectoryBench:
    def __init__(self, root: Path) -> None:
        self.publisher = DirectoryPublisher(root=root)
        self.publisher.prepare()

    def report(self, status: AgentStatus) -> None:
        write_status(self.publisher.agents, status)


class ClusterBench:
    """On the simulated API server; tests/controller/cluster/test_publisher.py has what only it can do."""

    def __init__(self) -> None:
        self.api = FakeApi(manager="agent")
        self.api.create(NAMESPACES, {"metadata": {"name": "atoll-system"}})
        self.publisher = ClusterPublisher(
            api=self.api, records=Records(api=self.api, namespace="atoll-system")
        )

    def report(self, status: AgentStatus) -> None:
        self.publisher.execute(publish(status.node, 1))
        self.publisher.finish()
        ref = ObjectRef(resource=NODE_NETWORKS, name=status.node)
        applied = {"generation": status.generation, "digest": status.digest}
        said = {"applied": applied, "errors": status.errors, "leaving": status.leaving}
        raw = self.api.patch(ref, {"status": said}, subresource="status")
        key = ResourceKey(kind="NodeNetwork", namespace="", name=status.node)
        self.publisher.nodes.take({status.node: decode_node(key, raw)})


@pytest.fixture(params=["memory", "directory", "cluster"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "cluster":
        return ClusterBench()
    return MemoryBench() if request.param == "memory" else DirectoryBench(tmp_path)


def test_a_new_publication_is_empty(bench: Bench) -> None:
    assert bench.publisher.recover() == Published()
    assert bench.publisher.reports() == {}


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (
            [KeepCommit(revision=FIRST, files={"a/red.yaml": "größe: 1\n".encode()})],
            Published(commit=Snapshot(revision=FIRST, files={"a/red.yaml": "größe: 1\n".encode()})),
        ),
        ([KeepAllocations(allocations=ALLOCATIONS)], Published(allocations=ALLOCATIONS)),
        (
            [publish(A, 1), publish(B, 2)],
            Published(
                plans={
                    A: PlanStamp(revision=FIRST, generation=1, digest=codec.digest(plan_of(A, 1))),
                    B: PlanStamp(revision=FIRST, generation=1, digest=codec.digest(plan_of(B, 2))),
                }
            ),
        ),
        (
            [publish(A, 1), publish(A, 3, generation=2)],
            Published(plans={A: PlanStamp(revision=FIRST, generation=2, digest=codec.digest(plan_of(A, 3)))}),
        ),
        ([publish(A, 1), WithdrawPlan(node=A)], Published()),
        ([PublishReachability(text="red alone\n", json=b"{}")], Published(reachability="red alone\n")),
        ([PublishStatus(status=STATUS)], Published(status=STATUS)),
    ],
    ids=["commit", "allocations", "plans", "a plan replaced", "a plan withdrawn", "reachability", "status"],
)
def test_what_was_executed_is_recovered(bench: Bench, actions: list[Action], expected: Published) -> None:
    for action in actions:
        bench.publisher.execute(action)

    assert bench.publisher.recover() == expected


def test_reports_of_agents_are_read(bench: Bench) -> None:
    bench.report(
        AgentStatus(
            node=A,
            ready=True,
            revision=FIRST,
            generation=3,
            digest="abc",
            errors=("link vn1: EPERM",),
            warnings=(),
            networks=1,
            attachments=2,
            leaving=("vn2",),
            transactions=1,
        )
    )

    assert bench.publisher.reports() == {
        A: Report(generation=3, digest="abc", errors=("link vn1: EPERM",), leaving=("vn2",))
    }


def test_the_agent_reads_what_the_directory_publishes(tmp_path: Path) -> None:
    publisher = DirectoryPublisher(root=tmp_path)
    publisher.prepare()
    publisher.execute(publish(A, 1, generation=7))

    publication = read_publication(tmp_path / "plans" / "node-a.json", A)

    assert (publication.revision, publication.generation) == (FIRST, 7)
    assert publication.plan == plan_of(A, 1)
    assert publication.digest == codec.digest(plan_of(A, 1))


def test_a_plan_damaged_on_disk_has_no_digest(tmp_path: Path) -> None:
    publisher = DirectoryPublisher(root=tmp_path)
    publisher.prepare()
    publisher.execute(publish(A, 1))
    path = tmp_path / "plans" / "node-a.json"
    path.write_bytes(path.read_bytes().replace(b"14789", b"14790"))

    assert publisher.recover().plans == {A: PlanStamp(revision=FIRST, generation=1, digest="")}


def test_damaged_allocations_are_never_taken_for_none(tmp_path: Path) -> None:
    publisher = DirectoryPublisher(root=tmp_path)
    publisher.prepare()
    (tmp_path / "allocations.json").write_text("{")

    with pytest.raises(PublicationError, match="Restore it from a copy"):
        publisher.recover()


def test_files_in_the_making_are_nobodys_business(tmp_path: Path) -> None:
    publisher = DirectoryPublisher(root=tmp_path)
    publisher.prepare()
    (tmp_path / "plans" / ".node-a.json.tmp").write_text("{")
    (tmp_path / "plans" / ".node-b.json").write_text("{")

    assert publisher.recover().plans == {}


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    publisher = DirectoryPublisher(root=tmp_path / "file")

    with pytest.raises(PublicationError) as caught:
        publisher.prepare()

    assert str(caught.value) == (
        f"{tmp_path}/file: File exists. Look at its permissions and the space on its file system."
    )


def test_a_node_name_cannot_lead_elsewhere(tmp_path: Path) -> None:
    publisher = DirectoryPublisher(root=tmp_path)
    publisher.prepare()

    with pytest.raises(PublicationError, match="not one of Kubernetes"):
        publisher.execute(WithdrawPlan(node=NodeName("../allocations")))
