"""Attaching pods: the CNI commands on this node. Links, routes and neighbours only, never nft.

What an attachment needs is its part of the layout (`compiler.layering.attachment_layout`); attaching
puts exactly that, detaching removes it. A lease is on the disk before anything is made for it, and
ends after everything of it is gone; so whatever a crash leaves is found again by its lease, and freed.

A command holds the engine while it decides, not while it waits for a plan, an address, the disk or the
kernel: fifty at once share few flushes, and their waits. Its turn (`agent.turns`) keeps the plan, and
whoever asks for the same attachment, off until it is done.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from agent import cni
from agent.actions import Action, Put, Remove, RemoveLink, SetLink, describe
from agent.addresses import Exhausted, Unavailable
from agent.cni import CniError, Command, Request
from agent.engine import Engine
from agent.kernel import KernelRefused, PodEnd
from agent.lease import Lease, LeaseKey
from agent.shortage import Shortages
from agent.undelegated import Undelegated
from compiler.layering import attachment_layout, overlay_mtu, union
from compiler.layout import Layout, Link, Neighbour, Route
from compiler.model import Address
from compiler.names import DEFAULT_NETWORK
from compiler.plan import NetworkPlan, NodePlan, PodBinding, Presence

WAITING_AT_MOST: Final = 128
"""ADDs that wait at a time, so that connections are left for pods that end."""


class Attachments:
    """Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        *,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        trouble: Callable[[], str | None] = lambda: None,
        shortages: Shortages | None = None,
    ) -> None:
        """`patience`: seconds that an ADD waits for a plan with its pod, and for an address.

        `trouble` says why no pod could start although a plan is in force.
        """
        self._engine = engine
        self._patience = patience
        self._clock = clock
        self._trouble = trouble
        self._waiting = 0
        self._undelegated = Undelegated()
        self.shortages = shortages or Shortages()

    def answer(self, request: Request) -> dict[str, object]:
        """The answer to a checked request. Raises CniError."""
        commands: Mapping[Command, Callable[[Request], dict[str, object]]] = {
            Command.ADD: self._add,
            Command.DEL: self._delete,
            Command.CHECK: self._check,
            Command.GC: self._collect,
            Command.STATUS: self._status,
        }
        try:
            return commands[request.command](request)
        except KernelRefused as error:
            raise CniError(cni.KERNEL_REFUSED, str(error)) from error
        except OSError as error:
            raise CniError(cni.INPUT_OUTPUT, f"the node's address file: {error}") from error

    def sweep(self) -> tuple[Lease, ...]:
        """Free what nothing can use any more: leases without a port whose namespace is gone, too.

        A pod that was killed with its node, or an ADD that was with its agent. A namespace that is
        there may yet see its ADD again, or its DEL.
        """
        with self._engine.turns.alone():
            kernel, leases = self._engine.kernel, self._engine.store.leases
            gone = [lease for lease in leases.values() if not kernel.has_namespace(lease.netns)]
            if gone:
                ports = {link.name for link in kernel.observe().layout.links}
                gone = [lease for lease in gone if lease.attachment.port not in ports]
            for lease in gone:
                self._engine.store.release(lease.key)
        return tuple(gone)

    # --- ADD ---

    def _add(self, request: Request) -> dict[str, object]:
        assert request.key is not None
        with self._engine.changed:
            repeated = request.key in self._engine.store.leases
            self._undelegated.note(request.key)
            lease = self._await_lease(request)
            if lease is None:
                self._undelegated.forget(request.key)
                return dict(cni.DELEGATE)
        self._keep(lease, repeated=repeated)
        with self._engine.turns.of(lease.key):
            return self._plug(request, lease, repeated=repeated)

    def _await_lease(self, request: Request) -> Lease | None:
        """The pod's lease, as soon as it can have one; None where it is not ours."""
        assert request.key is not None
        crowded = self._waiting >= WAITING_AT_MOST
        end = self._clock() + (0.0 if crowded else self._patience)
        try:
            while True:
                try:
                    return self._lease(request)
                except _Obstacle as obstacle:
                    left = end - self._clock()
                    if obstacle.shortage is not None:
                        self.shortages.note(request.key, obstacle.shortage)
                        left = min(left, self._rest(obstacle.shortage))
                    if self._clock() >= end:
                        others = f"{WAITING_AT_MOST} others wait already; " if crowded else ""
                        raise CniError(obstacle.code, f"{others}{obstacle.message}") from obstacle
                self._wait(left)
        finally:
            self.shortages.end(request.key)

    def _rest(self, shortage: Exhausted) -> float:
        """Seconds until a resting address is free."""
        if shortage.free_at is None:
            return math.inf
        return max(0.0, shortage.free_at - self._engine.store.clock())

    def _wait(self, seconds: float) -> None:
        self._waiting += 1
        try:
            self._engine.changed.wait(seconds)
        finally:
            self._waiting -= 1

    def _lease(self, request: Request) -> Lease | None:
        """Raises _Obstacle, CniError, and OSError where the lease cannot be written."""
        assert request.key is not None
        if request.pod is None:
            return None
        held = self._engine.store.leases.get(request.key)
        if held is not None and self._engine.holds(held):
            _demand_served(request)
            network = self._engine.network_of(held.attachment.network)
            assert network is not None
            return self._hold(request, network, asked=())
        binding = self._binding(request)
        if binding.network == DEFAULT_NETWORK:
            return None
        _demand_served(request)
        if binding.network is None:
            raise _Obstacle(cni.TRY_AGAIN_LATER, f"pod {binding.name} must wait: {binding.refusal}")
        network = self._engine.network_of(binding.network)
        if network is None or network.presence is not Presence.PRESENT:
            raise self._unknown(request)
        return self._hold(request, network, asked=binding.addresses)

    def _binding(self, request: Request) -> PodBinding:
        assert request.pod is not None
        binding = self._engine.binding_of(request.pod.name)
        if binding is None:
            raise self._unknown(request)
        if request.pod.uid not in ("", binding.uid):
            text = (
                f"pod {binding.name} of UID {request.pod.uid} is not in this node's plan,"
                f" which has an earlier or later one of that name, UID {binding.uid}"
            )
            raise _Obstacle(cni.TRY_AGAIN_LATER, text)
        return binding

    def _unknown(self, request: Request) -> _Obstacle:
        name = request.pod.name if request.pod else "?"
        publication = self._engine.publication
        if publication is None:
            text = f"pod {name}: this node has no plan yet; is the controller running?"
        else:
            text = (
                f"pod {name} is not in this node's plan (revision {publication.revision or 'unnamed'},"
                f" generation {publication.generation}) after {self._patience:g} s;"
                " the controller has not published one with it"
            )
        return _Obstacle(cni.TRY_AGAIN_LATER, text)

    def _hold(self, request: Request, network: NetworkPlan, *, asked: tuple[Address, ...]) -> Lease:
        assert request.key is not None
        assert request.pod is not None
        try:
            return self._engine.store.hold(
                request.key,
                pod=request.pod.name,
                network=network.number,
                network_name=network.name,
                netns=request.netns,
                blocks=self._engine.blocks_of(network.number),
                asked=asked,
                reserved=self._engine.asked_of(network.number),
            )
        except Exhausted as error:
            raise _Obstacle(cni.EXHAUSTED, f"pod {request.pod.name}: {error}", error) from error
        except Unavailable as error:
            raise _Obstacle(cni.TRY_AGAIN_LATER, f"pod {request.pod.name}: {error}") from error

    def _keep(self, lease: Lease, *, repeated: bool) -> None:
        """Raises OSError where the disk fails; a new lease has ended then, and one in use goes on."""
        try:
            self._engine.store.flush()
        except OSError:
            if not repeated:
                with self._engine.changed, suppress(OSError):
                    self._engine.store.release(lease.key)
            raise

    def _plug(self, request: Request, lease: Lease, *, repeated: bool) -> dict[str, object]:
        plan, layout = self._still(lease)
        if plan is None or not layout.links:
            self._detach(lease)
            reason = f"network {lease.network_name} has left this node meanwhile"
            raise CniError(cni.TRY_AGAIN_LATER, f"pod {lease.attachment.pod}: {reason}")
        try:
            if not (repeated and self._mended(lease, layout)):
                self._engine.kernel.plug(_port(layout), _pod_end(lease, _port(layout)))
                self._engine.kernel.apply(_puts(layout, was=_port(layout)))
        except KernelRefused as error:
            self._detach(lease)
            raise CniError(cni.KERNEL_REFUSED, f"pod {lease.attachment.pod}: {error}") from error
        return cni.success(request.version, lease, overlay_mtu(plan.datapath, plan.address))

    def _still(self, lease: Lease) -> tuple[NodePlan | None, Layout]:
        """The plan that holds the lease's network, if one does, and what the lease needs by it."""
        with self._engine.changed:
            plan = self._engine.plan
            if self._engine.store.leases.get(lease.key) != lease:
                reason = "deleted while it was added"
                raise CniError(cni.TRY_AGAIN_LATER, f"pod {lease.attachment.pod}: {reason}")
            held = self._engine.holds(lease)
        if plan is None or not held:
            return None, union(())
        return plan, attachment_layout(plan, lease.attachment)

    def _mended(self, lease: Lease, layout: Layout) -> bool:
        """Put what is there already once more, which changes nothing; False where there is no port.

        Cheaper than a look at a whole node, whose other networks and pods are no concern of this one.
        """
        if self._engine.kernel.pod_problem(_pod_end(lease, _port(layout))) is not None:
            return False
        there = replace(_port(layout), group=0, mtu=0)  # nobody has looked
        try:
            self._engine.kernel.apply(_puts(layout, was=there))
        except KernelRefused:
            return False
        return True

    # --- DEL, CHECK, GC, STATUS ---

    def _delete(self, request: Request) -> dict[str, object]:
        ended = request.key is not None and self._end(request.key)
        with self._engine.changed:
            if not ended and request.key not in self._undelegated:
                return dict(cni.DELEGATE)
        return {}

    def _end(self, key: LeaseKey) -> bool:
        """Detach what there is of an attachment; says whether there was any."""
        with self._engine.turns.of(key):
            with self._engine.changed:
                lease = self._engine.store.leases.get(key)
            if lease is not None:
                self._detach(lease)
        return lease is not None

    def _detach(self, lease: Lease) -> None:
        """Not flushed: after a crash that forgets it, the lease is found without port and namespace."""
        with self._engine.changed:
            plan = self._engine.plan
            held = self._engine.holds(lease)
        routes: frozenset[Route] = frozenset()
        if plan is not None and held:
            routes = attachment_layout(plan, lease.attachment).routes
        port = lease.attachment.port
        elsewhere = sorted((route for route in routes if route.link != port), key=describe)
        self._engine.kernel.apply([*(Remove(entry=route) for route in elsewhere), RemoveLink(name=port)])
        with self._engine.changed:
            self._engine.store.release(lease.key)
            self._undelegated.note(lease.key)
            self._engine.changed.notify_all()

    def _check(self, request: Request) -> dict[str, object]:
        with self._engine.turns.alone():
            lease = self._engine.store.leases.get(request.key) if request.key else None
            if lease is None and request.key in self._undelegated:
                raise CniError(cni.UNKNOWN_CONTAINER, "the container is not attached: no ADD, or DEL since")
            if lease is None:
                return dict(cni.DELEGATE)
            problem = self._problem(lease)
        if problem is not None:
            raise CniError(cni.NOT_AS_ADDED, f"pod {lease.attachment.pod}: {problem}")
        return {}

    def _problem(self, lease: Lease) -> str | None:
        plan = self._engine.plan
        if plan is None or not self._engine.holds(lease):
            return f"network {lease.network_name} is gone from this node"
        layout = attachment_layout(plan, lease.attachment)
        if absent := self._absent(layout):
            return f"the node lacks {cni.missing(absent)}"
        return self._engine.kernel.pod_problem(_pod_end(lease, _port(layout)))

    def _absent(self, layout: Layout) -> list[str]:
        observation = self._engine.kernel.observe()
        port = _port(layout)
        if port not in observation.layout.links or port.name in observation.down:
            return [f"pod port {port.name}"]
        held = observation.layout.neighbours | observation.layout.routes
        return [describe(entry) for entry in _entries(layout) if entry not in held]

    def _collect(self, request: Request) -> dict[str, object]:
        """Detach every attachment that the runtime no longer knows."""
        failures: list[str] = []
        with self._engine.changed:
            leaked = sorted(self._engine.store.leases.keys() - set(request.valid))
        for key in leaked:
            try:
                self._end(key)
            except KernelRefused as error:
                failures.append(str(error))
        if failures:
            raise CniError(cni.KERNEL_REFUSED, "; ".join(failures))
        return {}

    def _status(self, request: Request) -> dict[str, object]:
        if self._engine.plan is None:
            raise CniError(cni.NOT_AVAILABLE, "this node has no plan yet; is the controller running?")
        trouble = self._trouble()
        if trouble is not None:
            raise CniError(cni.NOT_AVAILABLE, trouble)
        return {}


def _demand_served(request: Request) -> None:
    """What no pod of a network can have is refused before anything is made for it."""
    if request.refusal is not None:
        raise request.refusal


class _Obstacle(Exception):
    """Why an ADD cannot go on yet."""

    def __init__(self, code: int, message: str, shortage: Exhausted | None = None) -> None:
        self.code = code
        self.message = message
        self.shortage = shortage
        super().__init__(message)


def _port(layout: Layout) -> Link:
    (port,) = layout.links
    return port


def _pod_end(lease: Lease, port: Link) -> PodEnd:
    attachment = lease.attachment
    return PodEnd(
        netns=lease.netns,
        interface=attachment.interface,
        mac=attachment.mac,
        mtu=port.mtu,
        addresses=attachment.addresses,
    )


def _puts(layout: Layout, *, was: Link) -> list[Action]:
    """The port up in its VRF, then neighbours, then routes: a route works from its first packet.

    `was`: the port that is there, as far as is known. To set its hardware address anew, even to the same,
    would forget all neighbours behind it (neigh_changeaddr).
    """
    return [SetLink(link=_port(layout), was=was), *(Put(entry=entry) for entry in _entries(layout))]


def _entries(layout: Layout) -> list[Neighbour | Route]:
    return [*sorted(layout.neighbours, key=describe), *sorted(layout.routes, key=describe)]
