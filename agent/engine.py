"""Applying plans. At every instant each packet is judged by the old policy, the new one, or both.

Three steps: tighten (one nft transaction leaves only what both allow), change links and routes,
loosen (one transaction to the new ruleset). A step that fails leads back to the old plan. What is
in force is also on disk, and is taken up again at the next start, with the controller or without.

What is in force is read and changed under `changed`; waiters on it learn of every plan that has come into
force. Who deals with the kernel has a turn: attachments their own, a plan or a repair everybody's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.actions import Action, Repair, ReplaceTable
from agent.addresses import AddressStore
from agent.decide import decide
from agent.files import replace_file
from agent.kernel import Kernel, KernelRefused, Observation
from agent.lease import Lease
from agent.nft import NftRefused
from agent.own_blocks import OwnBlocks, own_blocks
from agent.plan_file import Publication
from agent.policy import Policy
from agent.turns import Turns
from compiler.layering import attachment_layout, base_layout, union
from compiler.layout import Layout, LinkKind
from compiler.model import Address
from compiler.names import NetworkNumber, ObjectName
from compiler.plan import NetworkPlan, NodePlan, PodBinding
from compiler.rendering import ruleset_of
from compiler.ruleset import Ruleset

_log = logging.getLogger("atoll.agent")


class ApplyFailed(Exception):
    """A plan did not come into force; the former one is. The text says which object failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _InForce:
    publication: Publication
    ruleset: Ruleset
    base: Layout
    networks: dict[NetworkNumber, NetworkPlan]
    blocks: dict[NetworkNumber, OwnBlocks]
    """This node's, in each of the networks."""
    rooms: dict[NetworkNumber, int]
    """For how many pods they have addresses; counted once, asked for at every turn."""
    pods: dict[ObjectName, PodBinding]
    asked: dict[NetworkNumber, frozenset[Address]]
    """Addresses that pods of this node ask for."""

    @staticmethod
    def of(publication: Publication) -> _InForce:
        plan = publication.plan
        blocks = {network.number: own_blocks(network, plan.number) for network in plan.networks}
        return _InForce(
            publication=publication,
            ruleset=ruleset_of(plan),
            base=base_layout(plan),
            networks={network.number: network for network in plan.networks},
            blocks=blocks,
            rooms={number: own.fullest for number, own in blocks.items()},
            pods=_pods(plan),
            asked=_asked(plan),
        )

    def with_pods_of(self, publication: Publication) -> _InForce:
        """The same for a plan that differs in pods alone."""
        plan = publication.plan
        return replace(self, publication=publication, pods=_pods(plan), asked=_asked(plan))

    def holds(self, lease: Lease) -> bool:
        """Whether the lease's network is still the one of that number."""
        network = self.networks.get(lease.attachment.network)
        return network is not None and lease.is_of(network.number, network.name)

    def layout(self, leases: Iterable[Lease]) -> Layout:
        plan = self.publication.plan
        pods = (attachment_layout(plan, lease.attachment) for lease in leases if self.holds(lease))
        return union([self.base, *pods])


class Engine:
    def __init__(
        self,
        *,
        kernel: Kernel,
        policy: Policy,
        store: AddressStore,
        last_good: Path,
        grace: float,
        clock: Callable[[], float],
    ) -> None:
        """`grace` in seconds of `clock`, which is monotonic; `last_good` is written, never read here."""
        self.kernel = kernel
        self.policy = policy
        self.store = store
        lock = threading.RLock()
        self.changed = threading.Condition(lock)
        self.turns = Turns(lock)
        self._changes = 0
        self._last_good = last_good
        self._kept: bytes | None = None
        """What this process has written there."""
        self._grace = grace
        self._clock = clock
        self._in_force: _InForce | None = None
        self._leaving: dict[NetworkNumber, float] = {}
        """Networks in the kernel that the plan no longer holds, and when they go."""

    @property
    def own_changes(self) -> int:
        """Grows whenever this process changes the kernel: events of that time may be its own."""
        return self._changes + self.turns.count + self.policy.transactions

    @property
    def publication(self) -> Publication | None:
        return self._in_force.publication if self._in_force else None

    @property
    def plan(self) -> NodePlan | None:
        return self._in_force.publication.plan if self._in_force else None

    @property
    def leaving(self) -> tuple[NetworkNumber, ...]:
        """Networks that are no longer planned and still in the kernel."""
        return tuple(sorted(self._leaving))

    def network_of(self, number: NetworkNumber) -> NetworkPlan | None:
        """A network of the plan in force."""
        return self._in_force.networks.get(number) if self._in_force else None

    def blocks_of(self, number: NetworkNumber) -> OwnBlocks:
        """This node's, of a network of the plan in force."""
        return self._in_force.blocks.get(number, _NO_BLOCKS) if self._in_force else _NO_BLOCKS

    def room_of(self, number: NetworkNumber) -> int:
        """For how many pods this node's blocks of a network have addresses, used ones included."""
        return self._in_force.rooms.get(number, 0) if self._in_force else 0

    def asked_of(self, number: NetworkNumber) -> frozenset[Address]:
        """Addresses of a network that pods of this node ask for by their annotation."""
        return self._in_force.asked.get(number, frozenset()) if self._in_force else frozenset()

    def binding_of(self, pod: ObjectName) -> PodBinding | None:
        return self._in_force.pods.get(pod) if self._in_force else None

    def holds(self, lease: Lease) -> bool:
        return self._in_force is not None and self._in_force.holds(lease)

    @property
    def strays(self) -> tuple[Lease, ...]:
        """Attachments with an address that another node may be given, for it is no longer this one's.

        An address of no subnet any more is given to nobody, however long its pod may run.
        """
        return tuple(
            lease
            for lease in self.store.leases.values()
            if self.holds(lease) and any(self._is_astray(lease, one) for one in lease.attachment.addresses)
        )

    def _is_astray(self, lease: Lease, address: Address) -> bool:
        network = self.network_of(lease.attachment.network)
        if network is None or self.blocks_of(network.number).holds(address):
            return False
        return any(address in subnet for subnet in network.subnets)

    def apply(self, publication: Publication) -> tuple[Action, ...]:
        """Bring a plan into force; returns what changed of links, routes and rules.

        Raises ApplyFailed, the former plan in force again; OSError where the new one is in force and
        could not be written to disk: another attempt writes it.
        """
        with self.turns.alone():
            new = _rendered(publication, self._in_force)
            try:
                actions = self._bring_about(new)
            except (NftRefused, KernelRefused) as error:
                self._go_back()
                raise ApplyFailed(f"revision {publication.revision or 'unnamed'}: {error}") from error
            self._in_force = new
            self.changed.notify_all()
            self._keep(publication.content)
            return actions

    def _keep(self, content: bytes) -> None:
        if self._kept != content:
            replace_file(self._last_good, content)
            self._kept = content

    def change(self, actions: Sequence[Action]) -> None:
        """Run actions. Raises KernelRefused."""
        self._changes += 1
        self.kernel.apply(actions)

    def repair(self, *, ruleset_too: bool) -> tuple[Repair, ...]:
        """Undo what another hand changed, end graces that are over; returns what was done.

        Comparing the ruleset lists the whole table: `ruleset_too` seldom. Raises ApplyFailed.
        """
        if not ruleset_too and self._is_as_planned():
            return ()
        with self.turns.alone():
            if self._in_force is None:
                return ()
            try:
                done: list[Repair] = [*self._bring_about(self._in_force)]
                if ruleset_too and self.policy.repair():
                    done.append(ReplaceTable())
            except (NftRefused, KernelRefused) as error:
                raise ApplyFailed(f"repair: {error}") from error
            return tuple(done)

    def _is_as_planned(self) -> bool:
        """A look that holds nobody up. What attachments at work leave half done may seem to be amiss."""
        with self.changed:
            in_force = self._in_force
        if in_force is None:
            return True
        try:
            observation = self.kernel.observe()
        except KernelRefused:
            return False
        with self.changed:
            if self._in_force is not in_force or self.policy.committed != in_force.ruleset:
                return False
            leases = tuple(self.store.leases.values())
            lingering = self._lingering(in_force, observation)
        return not decide(in_force.layout(leases), observation, lingering=lingering)

    def _bring_about(self, new: _InForce) -> tuple[Action, ...]:
        if self._in_force is not None and new is not self._in_force and new.base is self._in_force.base:
            return ()  # what another hand may have changed meanwhile is for `repair`
        if self.policy.committed is None:
            self.policy.adopt(new.ruleset)
        observation = self.kernel.observe()
        lingering = self._lingering(new, observation)
        actions = decide(new.layout(self.store.leases.values()), observation, lingering=lingering)
        if actions:
            self.policy.tighten(new.ruleset)
            self.change(actions)
        self._leaving = {number: end for number, end in self._leaving.items() if number in lingering}
        self.policy.commit(new.ruleset)
        return actions

    def _go_back(self) -> None:
        """Best effort: whatever fails here leaves the tighter policy, which opens nothing."""
        if self._in_force is None:
            return
        try:
            self._bring_about(self._in_force)
        except (NftRefused, KernelRefused) as error:
            _log.error("going back to the former plan failed too: %s", error)

    def _lingering(self, new: _InForce, observation: Observation) -> frozenset[NetworkNumber]:
        """Networks in the kernel that are no longer planned: kept for the grace, and while pods use them."""
        present = {
            NetworkNumber(int(link.name[2:]))
            for link in observation.layout.links
            if link.kind is LinkKind.VRF
        }
        used = {lease.attachment.network for lease in self.store.leases.values()}
        now = self._clock()
        gone = present - new.networks.keys()
        self._leaving = {
            number: now + self._grace if number in used else self._leaving.get(number, now + self._grace)
            for number in gone
        }
        return frozenset(number for number, end in self._leaving.items() if now < end)


_NO_BLOCKS = OwnBlocks()


def _pods(plan: NodePlan) -> dict[ObjectName, PodBinding]:
    return {pod.name: pod for pod in plan.pods}


def _asked(plan: NodePlan) -> dict[NetworkNumber, frozenset[Address]]:
    asked: dict[NetworkNumber, set[Address]] = {}
    for pod in plan.pods:
        if pod.addresses and pod.network is not None:
            asked.setdefault(pod.network, set()).update(pod.addresses)
    return {number: frozenset(addresses) for number, addresses in asked.items()}


def _rendered(publication: Publication, former: _InForce | None) -> _InForce:
    """Pods come and go by the minute and change neither ruleset nor base: those are then the former's."""
    plan = publication.plan
    if former is not None and replace(former.publication.plan, pods=plan.pods) == plan:
        return former.with_pods_of(publication)
    try:
        return _InForce.of(publication)
    except Exception as error:  # a plan that contradicts itself must not end the agent
        raise ApplyFailed(
            f"revision {publication.revision or 'unnamed'}: the plan contradicts itself: {error!r}"
        ) from error
