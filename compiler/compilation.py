"""Declarations, inventory and allocations become a plan for each node; a change becomes new plans.

One way leads through the stages: `compile` is a recompilation from nothing. So what `recompile`
gives is what `compile` gives for the same final inputs and the allocations before, at a cost in
proportion to what the change concerns.

    meaning      declarations, namespaces -> who may talk (compiler.resolve), guarded deletions
    settlement   pods, nodes -> seats, numbers, blocks
    offerings    Services, endpoints -> what each network may ask
    fleet        all of it -> one plan for each node

An error refuses the whole: a refused Compilation has no plans and returns the allocations that it
was given, so that whoever holds the last good one keeps it. Warnings refuse nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from compiler.allocations import Allocations
from compiler.change import Change, persistent
from compiler.collector import collector_paused
from compiler.fleet import Fleet, Outlook, replan
from compiler.guards import guard_deletions
from compiler.inputs import Delta, Inputs, everything, inputs_of, next_inputs, nothing
from compiler.inventory import Inventory
from compiler.model import ClusterConfig, Declarations
from compiler.names import NetworkNumber, NodeName, ObjectName
from compiler.offerings import Basis, Offerings, reoffer
from compiler.plan import NodePlan, ServicePlan
from compiler.problem import Origin, Problem, Severity, in_reading_order
from compiler.resolve import Resolution, resolve
from compiler.settlement import Settlement, resettle, unsettled
from compiler.warnings import Step, Warnings, infrastructure_warnings, next_warnings


@dataclass(frozen=True, kw_only=True, slots=True)
class Stages:
    """The results of all stages: what the next recompilation goes on from."""

    inputs: Inputs
    settlement: Settlement
    resolution: Resolution = field(default_factory=lambda: Resolution(peers={}, domains={}))
    guards: tuple[Problem, ...] = ()
    offerings: Offerings = field(default_factory=Offerings)
    fleet: Fleet = field(default_factory=Fleet)
    warnings: Warnings = field(default_factory=Warnings)

    @property
    def outlook(self) -> Outlook:
        basis = Basis(inputs=self.inputs, settlement=self.settlement)
        return Outlook(basis=basis, resolution=self.resolution, offerings=self.offerings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Compilation:
    """What one commit means for one state of the cluster."""

    plans: Mapping[NodeName, NodePlan]
    """Empty where refused."""
    allocations: Allocations
    """To be kept for the next compilation; those given where refused."""
    resolution: Resolution
    problems: tuple[Problem, ...]
    """In reading order."""
    inputs: Inputs = field(compare=False, repr=False)
    stages: Stages | None = field(compare=False, repr=False)
    """None where refused."""

    @property
    def refused(self) -> bool:
        """Whether an error stands against the commit: its plans must not be published, for there are none."""
        return self.stages is None

    @property
    def numbers(self) -> Mapping[ObjectName, NetworkNumber]:
        """Of the declared networks; empty where refused."""
        return self.stages.settlement.numbers if self.stages else {}

    @property
    def service_plans(self) -> Iterator[ServicePlan]:
        """Every Service as the whole cluster has it, for `compiler.reachability`."""
        if self.stages is None:
            return
        offerings = self.stages.offerings
        for name in sorted(offerings.services.offers):
            users = tuple(sorted(offerings.users.get(name, ())))
            for plan in offerings.services.offers[name].plans:
                yield replace(plan, infrastructure_of=users) if users else plan


def compile(declarations: Declarations, inventory: Inventory, allocations: Allocations) -> Compilation:
    """Plans for every node, from the inputs alone."""
    with collector_paused():
        inputs = inputs_of(declarations, persistent(inventory))
        start = Stages(inputs=nothing(declarations), settlement=unsettled(allocations))
        return _advance(start, inputs, everything(inputs, allocations))


def recompile(previous: Compilation, change: Change) -> Compilation:
    """As `compile` of the changed inputs with the previous allocations, by what the change concerns.

    After a refusal, and where the ClusterConfig is another for any stage before the fleet, everything is
    compiled.
    """
    inputs, delta = next_inputs(previous.inputs, change)
    allocations = previous.allocations
    if change.confirmed is not None:
        allocations = replace(allocations, confirmed=change.confirmed)
    before, after = previous.inputs.declarations.config, inputs.declarations.config
    if previous.stages is None or _read_by_stages(before) != _read_by_stages(after):
        return compile(inputs.declarations, inputs.inventory, allocations)
    settlement = previous.stages.settlement
    if allocations is not previous.allocations:
        allotment = replace(settlement.allotment, allocations=allocations)
        settlement = replace(settlement, allotment=allotment)
    return _advance(replace(previous.stages, settlement=settlement), inputs, delta)


_NOWHERE = Origin(path="")


def _read_by_stages(config: ClusterConfig) -> ClusterConfig:
    """Without what shapes no plan, and what the fleet alone reads: it stands in the head of every plan."""
    return replace(
        config,
        origin=_NOWHERE,
        deletions_origin=None,
        limits_origin=None,
        confirm_deletion_of=(),
        number_base=0,
        vxlan_port=0,
        mtu=0,
    )


def _advance(old: Stages, inputs: Inputs, delta: Delta) -> Compilation:
    resolution, guards = _meaning(old, inputs, delta)
    infrastructure = infrastructure_warnings(old.warnings, old.inputs, inputs, delta)
    given = old.settlement.allotment.allocations
    problems = (*resolution.problems, *guards, *infrastructure)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return _refusal(inputs, given, resolution, problems)
    settlement, resettled = resettle(old.settlement, old.inputs, inputs, delta)
    if settlement.allotment.refusals:
        return _refusal(inputs, given, resolution, (*problems, *settlement.allotment.refusals))
    before, basis = old.outlook, Basis(inputs=inputs, settlement=settlement)
    offerings, reoffered = reoffer(old.offerings, before.basis, basis, delta, resettled)
    outlook = Outlook(basis=basis, resolution=resolution, offerings=offerings)
    fleet, replanned = replan(old.fleet, before, outlook, delta, (resettled, reoffered))
    step = Step(
        before=before,
        after=outlook,
        delta=delta,
        resettled=resettled,
        reoffered=reoffered,
        fleet=fleet,
        replanned=replanned,
    )
    stages = Stages(
        inputs=inputs,
        settlement=settlement,
        resolution=resolution,
        guards=guards,
        offerings=offerings,
        fleet=fleet,
        warnings=next_warnings(old.warnings, infrastructure, step),
    )
    return Compilation(
        plans=fleet.plans,
        allocations=settlement.allotment.allocations,
        resolution=resolution,
        problems=in_reading_order(_problems(stages)),
        inputs=inputs,
        stages=stages,
    )


def _meaning(old: Stages, inputs: Inputs, delta: Delta) -> tuple[Resolution, tuple[Problem, ...]]:
    resolution, guards = old.resolution, old.guards
    declarations, inventory = inputs.declarations, inputs.inventory
    if delta.declarations or delta.namespaces:
        resolution = resolve(declarations, inventory.namespaces)
    if delta.declarations or declarations.config.confirm_deletion_of:
        guards = guard_deletions(declarations, old.settlement.allotment.allocations, inventory)
    return resolution, guards


def _refusal(
    inputs: Inputs, allocations: Allocations, resolution: Resolution, problems: Iterable[Problem]
) -> Compilation:
    return Compilation(
        plans={},
        allocations=allocations,
        resolution=resolution,
        problems=in_reading_order(problems),
        inputs=inputs,
        stages=None,
    )


def _problems(stages: Stages) -> Iterator[Problem]:
    settlement = stages.settlement
    yield from stages.resolution.problems
    yield from stages.guards
    yield from settlement.underlay.problems
    yield from settlement.placement.doubts.values()
    yield from settlement.asked.problems
    yield from settlement.allotment.problems
    yield from stages.warnings
