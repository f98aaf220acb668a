"""A node on simulated kernel and nftables, with the clock in the test's hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from agent.addresses import AddressStore
from agent.attach import Attachments
from agent.cni import CniError, Command, Pod, Request
from agent.engine import Engine
from agent.fake_kernel import FakeKernel
from agent.fake_nft import FakeNft
from agent.lease import LeaseKey
from agent.plan_file import Publication
from agent.policy import Policy
from compiler.names import DEFAULT_NETWORK, NetworkNumber, ObjectName
from compiler.plan import NetworkPlan, NodePlan, PodBinding
from tests.compiler.sample_plans import named, node_plan

GRACE = 300.0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeNode:
    """`restart` is a new agent process on the kernel and the files of the former one."""

    folder: Path
    kernel: FakeKernel = field(default_factory=FakeKernel)
    nft: FakeNft = field(default_factory=FakeNft)
    clock: Clock = field(default_factory=Clock)
    patience: float = 0.0
    quiet: float = 30.0
    boot: str = "boot-1"

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.policy = Policy(self.nft)
        self.engine = Engine(
            kernel=self.kernel,
            policy=self.policy,
            store=AddressStore(self.folder / "addresses", quiet=self.quiet, clock=self.clock, boot=self.boot),
            last_good=self.folder / "plan.json",
            grace=GRACE,
            clock=self.clock,
        )
        self.attachments = Attachments(self.engine, patience=self.patience)

    def restarted(self) -> FakeNode:
        self.restart()
        return self

    def apply(self, plan: NodePlan) -> list[str]:
        return [str(action) for action in self.engine.apply(publication(plan))]

    def ask(self, asked: Request) -> dict[str, object]:
        return self.attachments.answer(asked)

    def refused(self, asked: Request) -> CniError:
        with pytest.raises(CniError) as caught:
            self.ask(asked)
        return caught.value


def publication(plan: NodePlan, *, revision: str = "abc1234", generation: int = 1) -> Publication:
    content = f"{revision} {generation} {plan}".encode()
    return Publication(revision=revision, generation=generation, digest="", plan=plan, content=content)


def bound(
    pod: str, network: int | None, *, refusal: str = "", uid: str = "u1", addresses: tuple[str, ...] = ()
) -> PodBinding:
    return PodBinding(
        name=named(pod),
        uid=uid,
        network=None if network is None else NetworkNumber(network),
        refusal=refusal,
        addresses=tuple(ip_address(address) for address in addresses),
    )


PODS = (
    bound("team-a/web-0", 1),
    bound("team-a/web-1", 1),
    bound("team-b/db-0", 3),
    bound("default/plain", DEFAULT_NETWORK),
    bound("team-c/lost", None, refusal="network team-c/typo does not exist"),
)


def plan_with_pods(*networks: NetworkPlan, pods: tuple[PodBinding, ...] = PODS) -> NodePlan:
    return node_plan(*networks, pods=pods)


def request(
    command: Command,
    pod: str = "team-a/web-0",
    *,
    container: str = "c1",
    uid: str = "u1",
    valid: tuple[str, ...] = (),
    refusal: CniError | None = None,
) -> Request:
    single = command in (Command.ADD, Command.DEL, Command.CHECK)
    namespace, _, name = pod.partition("/")
    return Request(
        command=command,
        version="1.1.0",
        key=LeaseKey(container=container, interface="eth0") if single else None,
        netns=f"/run/netns/{container}" if single else "",
        pod=Pod(name=ObjectName(namespace=namespace, name=name), uid=uid) if single else None,
        valid=tuple(LeaseKey(container=c, interface="eth0") for c in valid),
        refusal=refusal,
    )
