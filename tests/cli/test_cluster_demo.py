"""What of the demo on a cluster needs neither kernel nor API server: its line, its story, its population."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from cli.demonstration import population
from cli.demonstration.beside import main as run_beside
from cli.demonstration.cluster_story import ClusterStory, in_order
from cli.demonstration.commits import BROKEN, CHECKOUT
from cli.demonstration.liaison import ENVIRONMENT, METHODS, Switchboard, dial
from cli.demonstration.narrator import Narrator
from cli.demonstration.onlooker import Onlooker
from cli.demonstration.process import Process
from cli.failure import Failure
from compiler import codec
from compiler.allocations import Allocations
from compiler.compilation import compile
from compiler.inventory import Inventory
from compiler.parse import parse
from controller.directory import read_directory
from controller.reach import reach_of
from kube.fake import FakeApi
from kube.kinds import NAMESPACES

TEMPLATE = Path(__file__).parents[2] / "repo-template"
HEADER = "NAME     NUMBER   ADDRESS      READY   NETWORKS   PODS   AGE   STATUS"
APPLYING = "The plan of commit 2 is being applied; the plan of commit 1 stays in force."
IN_FORCE = "The plan of commit 2 is in force."


def line(node: str, says: str) -> str:
    return f"{node}   1        172.18.0.1   True    5          3      2m    {says}"


STAGED = (
    HEADER,
    line("node-1", APPLYING),
    line("node-1", IN_FORCE),
    line("node-2", APPLYING),
    line("node-2", IN_FORCE),
)


class PaperHeadquarters:
    """Everything comes true at once, and is written down."""

    def __init__(self, rollout: Sequence[str] = STAGED) -> None:
        self.typed: list[str] = []
        self.awaited: list[str] = []
        self.reported: dict[str, list[str]] = {}
        self.plans = {"node-1": "sha256:1", "node-2": "sha256:2"}
        self._rollout = rollout
        self._files = dict(read_directory(TEMPLATE).files)
        self._commits = 1

    def seconds(self) -> float:
        return 12.5

    def api_port(self) -> int:
        return 20443

    def kubeconfig(self, node: str) -> str:
        raise Failure(f"{node} has no account.\nWait for it.")

    def pod_uids(self) -> Mapping[str, str]:
        return {"shop/web-1": "11"}

    def report_pods(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self.reported = {name: list(listed) for name, listed in addresses.items()}

    def kubectl(self, arguments: Sequence[str]) -> str:
        self.typed.append(" ".join(arguments))
        return "as it stands there\n"

    def commit(self, author: str, message: str, files: Mapping[str, str]) -> str:
        self._commits += 1
        if files != BROKEN:
            self._files |= {name: text.encode() for name, text in files.items()}
        return str(self._commits)

    def first_revision(self) -> str:
        return "1"

    def await_applied(self, revision: str) -> None:
        self.awaited.append(f"{revision} applied")

    def digests(self) -> Mapping[str, str]:
        return dict(self.plans)

    def await_endpoints(self) -> None:
        self.awaited.append("endpoints")

    def await_refusal(self, revision: str) -> None:
        self.awaited.append(f"{revision} refused")

    def await_conflict(self, network: str) -> None:
        self.awaited.append(f"{network} in conflict")

    def reachability(self) -> bytes:
        parsed = parse(self._files, revision="")
        assert parsed.declarations is not None
        reach = reach_of(compile(parsed.declarations, Inventory(), Allocations()))
        return codec.encode_reachability(reach.reachability)

    def rollout_lines(self, revision: str) -> Sequence[str]:
        return list(self._rollout)

    def log_line(self, text: str) -> str:
        return ""


@pytest.fixture
def switchboard() -> Iterator[Switchboard]:
    switchboard = Switchboard()
    yield switchboard
    switchboard.close()


def told(headquarters: PaperHeadquarters) -> tuple[ClusterStory, str]:
    stream = io.StringIO()
    story = ClusterStory(headquarters, None, Narrator(stream, width=110), width=110)
    story.tell()
    return story, stream.getvalue()


def test_the_line_carries_every_kind_of_value(switchboard: Switchboard) -> None:
    headquarters = PaperHeadquarters()
    switchboard.connect(headquarters)
    remote = dial({ENVIRONMENT: switchboard.url})
    assert (remote.seconds(), remote.api_port(), remote.pod_uids()) == (12.5, 20443, {"shop/web-1": "11"})
    assert remote.reachability() == headquarters.reachability()
    assert remote.commit("Shop", "Connect", CHECKOUT) == "2"
    assert remote.kubectl(("get", "vn")) == "as it stands there\n"
    assert remote.rollout_lines("2") == list(STAGED)
    remote.report_pods({"shop/web-1": ["10.20.0.1", "fd00:10:20::1"]})
    assert headquarters.reported == {"shop/web-1": ["10.20.0.1", "fd00:10:20::1"]}


def test_a_failure_comes_through_the_line_in_its_own_words(switchboard: Switchboard) -> None:
    switchboard.connect(PaperHeadquarters())
    with pytest.raises(Failure, match=r"^node-1 has no account\.\nWait for it\.$"):
        dial({ENVIRONMENT: switchboard.url}).kubeconfig("node-1")


def test_who_does_not_know_the_secret_gets_no_answer(switchboard: Switchboard) -> None:
    switchboard.connect(PaperHeadquarters())
    address, _slash, _secret = switchboard.url.rpartition("/")
    with pytest.raises(Failure, match=r"^the control plane at 127\.0\.0\.1 does not answer: .*404"):
        dial({ENVIRONMENT: f"{address}/guessed"}).seconds()


def test_a_call_waits_until_the_control_plane_is_there(switchboard: Switchboard) -> None:
    remote = dial({ENVIRONMENT: switchboard.url})
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(remote.api_port()))
    caller.start()
    assert switchboard.called.wait(30)
    assert answers == []
    switchboard.connect(PaperHeadquarters())
    caller.join(30)
    assert answers == [20443]


def test_calls_are_told_that_the_control_plane_is_gone() -> None:
    switchboard = Switchboard()
    remote = dial({ENVIRONMENT: switchboard.url})
    complaints: list[str] = []

    def call() -> None:
        try:
            remote.api_port()
        except Failure as failure:
            complaints.append(str(failure))

    caller = threading.Thread(target=call)
    caller.start()
    assert switchboard.called.wait(30)
    switchboard.close()
    caller.join(30)
    assert complaints == ["the control plane is gone"]


def test_the_line_s_address_follows_the_machine(switchboard: Switchboard) -> None:
    switchboard.connect(PaperHeadquarters())
    with pytest.raises(Failure, match=r"^the control plane at localhost\.invalid does not answer"):
        dial({ENVIRONMENT: switchboard.url, "ATOLL_HOST": "localhost.invalid"}).seconds()


def test_every_question_to_the_headquarters_can_be_asked() -> None:
    missing = [name for name in METHODS if not callable(getattr(PaperHeadquarters, name, None))]
    assert (missing, "reachability" in METHODS) == ([], True)


def test_the_story_without_nodes_shows_what_an_operator_types() -> None:
    headquarters = PaperHeadquarters()
    story, text = told(headquarters)
    assert headquarters.typed == [
        "get vn,vnr,nn -A",
        "get networksource -n atoll-system",
        "get networksource -n atoll-system networks -o jsonpath="
        '{range .status.problems[*]}{.path}:{.line}:{.column}: {.code}: {.reason}{"\\n"}{end}',
        'patch vn storefront -n shop --type=merge --patch={"spec":{"egress":"none"}}',
        "get vn storefront -n shop -o wide",
        "events -n shop --for virtualnetwork/storefront",
        "events -n atoll-system --for networksource/networks",
    ]
    assert headquarters.awaited == ["1 applied", "2 applied", "3 refused", "shop/storefront in conflict"]
    assert (story.tally.checks, story.tally.wrong) == (5, [])
    assert "$ kubectl get nodenetworks --watch\n" + "\n".join(STAGED) in text


def test_the_story_complains_where_the_canary_did_not_come_first() -> None:
    story, text = told(PaperHeadquarters([HEADER, *STAGED[3:], *STAGED[1:3]]))
    assert story.tally.wrong == ["node-2 came before the canary was ready"]
    assert "WRONG: node-2 came before the canary was ready" in text


def test_the_story_complains_where_a_refused_commit_changes_plans() -> None:
    class Careless(PaperHeadquarters):
        def await_refusal(self, revision: str) -> None:
            self.plans["node-1"] = "sha256:3"

    story, _text = told(Careless())
    assert len(story.tally.wrong) == 2  # it stays so until the end


@pytest.mark.parametrize(
    ("lines", "is_so"),
    [
        (STAGED, True),
        ((line("node-1", IN_FORCE), line("node-2", IN_FORCE)), True),
        ((line("node-1", APPLYING), line("node-2", APPLYING), line("node-1", IN_FORCE)), False),
        ((line("node-2", IN_FORCE), line("node-1", IN_FORCE)), False),
        ((line("node-1", IN_FORCE),), False),
        ((line("node-2", IN_FORCE),), False),
        ((HEADER,), False),
    ],
)
def test_the_order_of_a_rollout_is_read_from_what_kubectl_prints(lines: Sequence[str], is_so: bool) -> None:
    assert in_order(lines, "node-1", "node-2") is is_so


def test_nodes_have_the_addresses_of_the_lab() -> None:
    assert [(node.name, node.addresses, node.pod_ranges) for node in population.nodes()] == [
        ("node-1", ("172.18.0.1", "fd00:172:18::1"), ("10.244.1.0/24", "fd00:10:244:1::/64")),
        ("node-2", ("172.18.0.2", "fd00:172:18::2"), ("10.244.2.0/24", "fd00:10:244:2::/64")),
    ]


def test_pods_are_scheduled_and_wait_for_addresses() -> None:
    pods = {f"{pod.namespace}/{pod.name}": pod for pod in population.pods()}
    assert list(pods) == [
        "shared-services/git",
        "shop/web-1",
        "shop/web-2",
        "payments/pay",
        "analytics/etl",
        "analytics/bi-1",
        "analytics/bi-2",
        "default/plain-1",
        "default/plain-2",
        "kube-system/coredns",
    ]
    assert {pod.addresses for pod in pods.values()} == {()}
    web, bi = pods["shop/web-2"], pods["analytics/bi-1"]
    assert (web.node, web.labels, web.annotations) == ("node-2", {"app": "web"}, {})
    assert (bi.node, bi.labels, bi.annotations) == (
        "node-1",
        {"app": "bi"},
        {"atoll.dev/network": "reports"},
    )


def test_services_have_an_address_of_each_family_and_select_their_pods() -> None:
    dns, _git, web, *_rest = population.services()
    assert dns["metadata"] == {"namespace": "kube-system", "name": "kube-dns"}
    assert web["metadata"] == {"namespace": "shop", "name": "web"}
    assert web["spec"] == {
        "type": "NodePort",
        "clusterIP": "10.96.0.21",
        "clusterIPs": ["10.96.0.21", "fd00:10:96::15"],
        "ipFamilyPolicy": "RequireDualStack",
        "ipFamilies": ["IPv4", "IPv6"],
        "selector": {"app": "web"},
        "ports": [
            {"name": "tcp", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080},
            {"name": "udp", "protocol": "UDP", "port": 80, "targetPort": 8080, "nodePort": 30080},
        ],
    }


def namespace(name: str) -> Mapping[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_an_onlooker_sees_what_comes_later() -> None:
    api = FakeApi()
    api.create(NAMESPACES, namespace("shop"))
    seen: list[set[str]] = []

    def both(found: Mapping[str, bytes]) -> bool:
        seen.append({"shop", "payments"} & set(found))
        if len(seen) == 1:
            api.create(NAMESPACES, namespace("payments"))
        return len(seen[-1]) == 2

    Onlooker(api, patience=30).until(NAMESPACES, both, "both")
    assert seen == [{"shop"}, {"shop", "payments"}]


def test_an_onlooker_gives_up_with_the_logs(tmp_path: Path) -> None:
    onlooker = Onlooker(FakeApi(), patience=0)
    with pytest.raises(Failure, match=r"^the namespace: not seen within 0 s; the logs end so:\n"):
        onlooker.until(NAMESPACES, bool, "the namespace")


def test_an_onlooker_does_not_wait_for_processes_that_have_ended(tmp_path: Path) -> None:
    onlooker = Onlooker(FakeApi(), patience=30)
    onlooker.processes.append(Process("controller", ["no-such-command"], folder=tmp_path, place=None))
    onlooker.processes[0].end()
    with pytest.raises(Failure, match="controller ended with status"):
        onlooker.until(NAMESPACES, bool, "the namespace")


def test_a_command_runs_without_a_control_plane_where_there_are_no_binaries(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ask = f"import os, sys; sys.exit(7 if {ENVIRONMENT!r} not in os.environ else 8)"
    assert run_beside([sys.executable, "-c", ask], {}) == 7
    assert "without a control plane: no kube-apiserver and etcd" in capfd.readouterr().err
