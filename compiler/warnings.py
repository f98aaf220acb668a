"""Findings that refuse nothing, kept by what they are about: a change looks again at what it concerns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from compiler.capacity import crowded, filling
from compiler.contested import Contest, contest, contested_services
from compiler.fleet import Fleet, Outlook, Replanned
from compiler.idle_infrastructure import idle_infrastructure
from compiler.infrastructure import infrastructure_problems
from compiler.inputs import Delta, Inputs
from compiler.mismatch import foreign_address, foreign_services, node_mismatches, nodes_inside
from compiler.model import Address
from compiler.names import NodeName, ObjectName
from compiler.offerings import Reoffered
from compiler.placement import Claim, claim_of
from compiler.problem import Problem
from compiler.settlement import Resettled
from compiler.unknown_nodes import unknown_nodes
from compiler.waiting import chosen_anew, waiting_pods


@dataclass(frozen=True, kw_only=True, slots=True)
class Warnings:
    infrastructure: tuple[Problem, ...] = ()
    idle_infrastructure: tuple[Problem, ...] = ()
    filling: Mapping[ObjectName, tuple[Problem, ...]] = field(default_factory=dict)
    crowded: Mapping[NodeName, Problem] = field(default_factory=dict)
    waiting: Mapping[Claim, Problem] = field(default_factory=dict)
    unknown_nodes: tuple[Problem, ...] = ()
    nodes: tuple[Problem, ...] = ()
    nodes_inside: Mapping[ObjectName, Problem] = field(default_factory=dict)
    """By network."""
    foreign: Mapping[ObjectName, Address] = field(default_factory=dict)
    """Services with an address outside the service ranges."""
    foreign_services: tuple[Problem, ...] = ()
    contest: Contest = field(default_factory=Contest)

    def __iter__(self) -> Iterator[Problem]:
        yield from self.infrastructure
        yield from self.idle_infrastructure
        yield from chain.from_iterable(self.filling.values())
        yield from self.crowded.values()
        yield from self.waiting.values()
        yield from self.unknown_nodes
        yield from self.nodes
        yield from self.nodes_inside.values()
        yield from self.foreign_services
        yield from contested_services(self.contest.contested)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """From one state of all stages to the next, and what differs."""

    before: Outlook
    after: Outlook
    delta: Delta
    resettled: Resettled
    reoffered: Reoffered
    fleet: Fleet
    replanned: Replanned

    @property
    def inputs(self) -> Inputs:
        return self.after.basis.inputs

    @property
    def moved(self) -> bool:
        """Of what warnings tell of the ClusterConfig only the place can differ (compiler.compilation)."""
        return self.before.basis.inputs.declarations.config.origin != self.inputs.declarations.config.origin


def infrastructure_warnings(
    old: Warnings, before: Inputs, after: Inputs, delta: Delta
) -> tuple[Problem, ...]:
    """Depends on which Services there are, not on what they are."""
    known, services = before.inventory.services, after.inventory.services
    if delta.declarations or any((name in known) != (name in services) for name in delta.services):
        return infrastructure_problems(after.networks.values(), after.declarations.config, services)
    return old.infrastructure


def next_warnings(old: Warnings, infrastructure: tuple[Problem, ...], step: Step) -> Warnings:
    foreign = _foreign(old, step)
    return Warnings(
        infrastructure=infrastructure,
        idle_infrastructure=_idle_infrastructure(old, step),
        filling=_filling(old, step),
        crowded=_crowded(old, step),
        waiting=_waiting(old, step),
        unknown_nodes=_unknown_nodes(old, step),
        nodes=_nodes(old, step),
        nodes_inside=_nodes_inside(old, step),
        foreign=foreign,
        foreign_services=_foreign_services(old, foreign, step),
        contest=_contest(old, step),
    )


def _idle_infrastructure(old: Warnings, step: Step) -> tuple[Problem, ...]:
    offerings = step.after.offerings
    if not step.delta.declarations and step.reoffered.services.isdisjoint(offerings.users):
        return old.idle_infrastructure
    config, compiled = step.inputs.declarations.config, offerings.services.compiled
    return idle_infrastructure(step.inputs.networks.values(), config, compiled)


def _filling(old: Warnings, step: Step) -> Mapping[ObjectName, tuple[Problem, ...]]:
    inputs, settlement = step.inputs, step.after.basis.settlement
    full = dict(old.filling)
    for name in step.replanned.networks:
        full.pop(name, None)
        if name in inputs.networks:
            entry = settlement.allotment.allocations.networks[name]
            if problems := tuple(filling(inputs.networks[name], entry, inputs.declarations.config.limits)):
                full[name] = problems
    return full


def _crowded(old: Warnings, step: Step) -> Mapping[NodeName, Problem]:
    limits, plans = step.inputs.declarations.config.limits, step.fleet.plans
    busy = dict(old.crowded)
    for node in step.replanned.nodes:
        busy.pop(node, None)
        if node in plans and (problem := crowded(plans[node], limits)):
            busy[node] = problem
    return busy


def _waiting(old: Warnings, step: Step) -> Mapping[Claim, Problem]:
    before, after = step.before.basis, step.after.basis
    known = (before.inputs.inventory.pods, after.inputs.inventory.pods)
    names = step.delta.pods | step.resettled.pods
    concerned = {claim_of(pods[name]) for pods in known for name in names if name in pods}
    if step.delta.namespaces or step.delta.networks:
        concerned.update(chosen_anew(before.settlement.placement, after.settlement.placement))
    return waiting_pods(old.waiting, after.settlement.placement, known[1], concerned)


def _unknown_nodes(old: Warnings, step: Step) -> tuple[Problem, ...]:
    nodes = step.inputs.inventory.nodes
    if not step.delta.nodes and not old.unknown_nodes and step.resettled.nodes <= nodes.keys():
        return old.unknown_nodes
    return unknown_nodes(step.after.basis.settlement.placement.seats, nodes.keys())


def _nodes(old: Warnings, step: Step) -> tuple[Problem, ...]:
    if not step.delta.nodes and not step.moved:
        return old.nodes
    return node_mismatches(step.inputs.inventory.nodes, step.inputs.declarations.config)


def _nodes_inside(old: Warnings, step: Step) -> Mapping[ObjectName, Problem]:
    networks, nodes = step.inputs.networks, step.inputs.inventory.nodes
    concerned = {*networks, *old.nodes_inside} if step.delta.nodes else step.delta.networks
    if not concerned:
        return old.nodes_inside
    known = step.after.basis.settlement.node_addresses
    addresses = {version: sorted(int(a) for a in known if a.version == version) for version in (4, 6)}
    inside = dict(old.nodes_inside)
    for name in concerned:
        inside.pop(name, None)
        if name in networks and (problem := nodes_inside(networks[name], addresses, nodes)):
            inside[name] = problem
    return inside


def _foreign(old: Warnings, step: Step) -> Mapping[ObjectName, Address]:
    if not step.delta.services:
        return old.foreign
    foreign, services = dict(old.foreign), step.inputs.inventory.services
    for name in step.delta.services:
        foreign.pop(name, None)
        if name in services and (address := foreign_address(services[name], step.inputs.declarations.config)):
            foreign[name] = address
    return foreign


def _foreign_services(
    old: Warnings, foreign: Mapping[ObjectName, Address], step: Step
) -> tuple[Problem, ...]:
    if foreign is old.foreign and not step.moved:
        return old.foreign_services
    return foreign_services(foreign, step.inputs.declarations.config)


def _contest(old: Warnings, step: Step) -> Contest:
    before, after = step.before.offerings.services.compiled, step.after.offerings.services.compiled
    return contest(old.contest, before, after, step.reoffered.services)
