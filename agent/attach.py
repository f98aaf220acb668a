"""Attaching pods: the CNI commands on this node. Links, routes and neighbours only, never nft.

What an attachment needs is its part of the layout (`compiler.layering.attachment_layout`); attaching
puts exactly that, detaching removes it. A lease is written before anything is made for it, and
ends after everything of it is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from agent import cni
from agent.actions import Put, Remove, RemoveLink, SetLink, describe
from agent.addresses import Exhausted, Lease
from agent.cni import CniError, Command, Request
from agent.engine import Engine
from agent.kernel import KernelRefused, PodEnd
from compiler.layering import attachment_layout, overlay_mtu
from compiler.layout import Layout, Link, Neighbour, Route
from compiler.names import DEFAULT_NETWORK
from compiler.plan import NetworkPlan, NodePlan, PodBinding, Presence


class Attachments:
    """Thread-safe: each command holds the engine while it deals with the kernel, not while it waits."""

    def __init__(
        self, engine: Engine, *, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`patience`: seconds that an ADD waits for a plan with its pod."""
        self._engine = engine
        self._patience = patience
        self._clock = clock

    def answer(self, request: Request) -> dict[str, object]:
        """The answer to a checked request. Raises CniError."""
        commands = {
            Command.ADD: self._add,
            Command.DEL: self._delete,
            Command.CHECK: self._check,
            Command.GC: self._collect,
            Command.STATUS: self._status,
        }
        try:
            with self._engine.changed:
                return commands[request.command](request)
        except KernelRefused as error:
            raise CniError(cni.KERNEL_REFUSED, str(error)) from error
        except OSError as error:
            raise CniError(cni.INPUT_OUTPUT, f"the node's address file: {error}") from error

    def _add(self, request: Request) -> dict[str, object]:
        binding = self._await_binding(request)
        if binding.network == DEFAULT_NETWORK:
            return dict(cni.DELEGATE)
        if binding.network is None:
            raise CniError(cni.TRY_AGAIN_LATER, f"pod {binding.name} must wait: {binding.refusal}")
        network, plan = self._engine.network_of(binding.network), self._engine.plan
        assert request.key is not None
        assert network is not None  # _await_binding has seen both
        assert plan is not None
        repeated = request.key in self._engine.store.leases
        lease = self._lease(request, binding, network, plan)
        self._plug(lease, plan, repeated=repeated)
        return cni.success(request.version, lease, overlay_mtu(plan.datapath, plan.address))

    def _await_binding(self, request: Request) -> PodBinding:
        """The pod's binding, once a plan that holds it and its network is in force."""
        end = self._clock() + self._patience
        while (binding := self._binding(request)) is None:
            left = end - self._clock()
            if left <= 0:
                raise CniError(cni.TRY_AGAIN_LATER, self._why_not_bound(request))
            self._engine.changed.wait(left)
        return binding

    def _binding(self, request: Request) -> PodBinding | None:
        plan, pod = self._engine.plan, request.pod
        if plan is None or pod is None:
            return None
        for binding in plan.pods:
            if binding.name == pod.name and pod.uid in ("", binding.uid):
                break
        else:
            return None
        if binding.network is None or binding.network == DEFAULT_NETWORK:
            return binding
        network = self._engine.network_of(binding.network)
        return binding if network is not None and network.presence is Presence.PRESENT else None

    def _why_not_bound(self, request: Request) -> str:
        name = request.pod.name if request.pod else "?"
        publication = self._engine.publication
        if publication is None:
            return f"pod {name}: this node has no plan yet; is the controller running?"
        return (
            f"pod {name} is not in this node's plan (revision {publication.revision or 'unnamed'},"
            f" generation {publication.generation}) after {self._patience:g} s;"
            " the controller has not published one with it"
        )

    def _lease(self, request: Request, binding: PodBinding, network: NetworkPlan, plan: NodePlan) -> Lease:
        assert request.key is not None
        try:
            return self._engine.store.hold(
                request.key,
                pod=binding.name,
                network=network.number,
                network_name=network.name,
                netns=request.netns,
                blocks=[block.prefix for block in network.blocks if block.node == plan.number],
                subnets=network.subnets,
            )
        except Exhausted as error:
            raise CniError(cni.EXHAUSTED, f"pod {binding.name}: {error}") from error

    def _plug(self, lease: Lease, plan: NodePlan, *, repeated: bool) -> None:
        layout = attachment_layout(plan, lease.attachment)
        port = _port(layout)
        end = _pod_end(lease, port)
        if repeated and not self._absent(layout) and self._engine.kernel.pod_problem(end) is None:
            return
        try:
            self._engine.plug(port, end)
            self._engine.change([SetLink(link=port), *(Put(entry=entry) for entry in _entries(layout))])
        except KernelRefused as error:
            self._detach(lease)
            raise CniError(cni.KERNEL_REFUSED, f"pod {lease.attachment.pod}: {error}") from error

    def _absent(self, layout: Layout) -> list[str]:
        observation = self._engine.kernel.observe()
        port = _port(layout)
        if port not in observation.layout.links or port.name in observation.down:
            return [f"pod port {port.name}"]
        held = observation.layout.neighbours | observation.layout.routes
        return [describe(entry) for entry in _entries(layout) if entry not in held]

    def _delete(self, request: Request) -> dict[str, object]:
        lease = self._engine.store.leases.get(request.key) if request.key else None
        if lease is None:
            return dict(cni.DELEGATE)
        self._detach(lease)
        return {}

    def _detach(self, lease: Lease) -> None:
        plan = self._engine.plan
        routes: frozenset[Route] = frozenset()
        if plan is not None and self._engine.holds(lease):
            routes = attachment_layout(plan, lease.attachment).routes
        port = lease.attachment.port
        elsewhere = sorted((route for route in routes if route.link != port), key=describe)
        self._engine.change([*(Remove(entry=route) for route in elsewhere), RemoveLink(name=port)])
        self._engine.store.release(lease.key)

    def _check(self, request: Request) -> dict[str, object]:
        lease = self._engine.store.leases.get(request.key) if request.key else None
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

    def _collect(self, request: Request) -> dict[str, object]:
        """Detach every attachment that the runtime no longer knows."""
        failures: list[str] = []
        for key in sorted(self._engine.store.leases.keys() - set(request.valid)):
            try:
                self._detach(self._engine.store.leases[key])
            except KernelRefused as error:
                failures.append(str(error))
        if failures:
            raise CniError(cni.KERNEL_REFUSED, "; ".join(failures))
        return {}

    def _status(self, request: Request) -> dict[str, object]:
        if self._engine.plan is None:
            raise CniError(cni.NOT_AVAILABLE, "this node has no plan yet; is the controller running?")
        return {}


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


def _entries(layout: Layout) -> list[Neighbour | Route]:
    """Neighbours before routes: a route works from its first packet."""
    return [*sorted(layout.neighbours, key=describe), *sorted(layout.routes, key=describe)]
