"""The two states that are compared, each read and compiled.

HEAD goes on from what BASE decided, as it would in the cluster: numbers and blocks stay, and deletions are
guarded. So plans of the two share their equal parts as the same values, and comparing is cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.allocations import Allocations
from compiler.change import Change
from compiler.compilation import Compilation, compile, recompile
from compiler.inventory import Inventory
from compiler.model import Declarations
from compiler.parse import FileCache, parse
from compiler.problem import Problem, Severity, in_reading_order
from compiler.reachability import Reachability, reachability_of, visible_services
from compiler.resolve import resolve
from review.read_ahead import read_ahead


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Files of one state, as read and before anything is parsed."""

    name: str
    """As the reader wrote it."""
    commit: str
    """"" for a directory."""
    files: Mapping[str, bytes]
    time: str = ""
    """Of the commit, as RFC 3339 has it; "" for a directory."""
    problems: tuple[Problem, ...] = ()
    """Of reading them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """What is known of the cluster, beside the declarations."""

    inventory: Inventory | None = None
    allocations: Allocations | None = None
    problems: tuple[Problem, ...] = ()
    """Of the inventory."""
    taken: str = ""
    """The newest time in the inventory, as RFC 3339 has it; "" where it has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """One state, compiled."""

    source: Source
    declarations: Declarations | None
    """None where the files cannot be understood."""
    compilation: Compilation | None
    """None without declarations. It may be refused."""
    reachability: Reachability
    """Empty without declarations; without Services where refused."""
    problems: tuple[Problem, ...]
    """In reading order; those that need an inventory only where there is one."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def accepted(self) -> Compilation | None:
        """The compilation, unless anything refuses it."""
        return None if self.errors else self.compilation


@dataclass(frozen=True, kw_only=True, slots=True)
class States:
    base: State
    head: State
    cluster: Cluster
    cache: FileCache = field(repr=False, compare=False)


def states_of(base: Source, head: Source, cluster: Cluster) -> States:
    parsed = parse(base.files, revision=base.commit, cache=read_ahead(base.files))
    first = _State(base, parsed.declarations, parsed.problems)
    allocations = cluster.allocations or Allocations()
    if parsed.declarations is not None:
        first.compiled(compile(parsed.declarations, cluster.inventory or Inventory(), allocations), cluster)
    again = parse(head.files, revision=head.commit, cache=parsed.cache)
    second = _State(head, again.declarations, again.problems)
    if again.declarations is not None:
        second.compiled(_following(first.compilation, again.declarations, cluster), cluster)
    return States(base=first.state(cluster), head=second.state(cluster), cluster=cluster, cache=again.cache)


def _following(before: Compilation | None, declarations: Declarations, cluster: Cluster) -> Compilation:
    if before is None or before.refused:
        inventory = cluster.inventory or Inventory()
        return compile(declarations, inventory, cluster.allocations or Allocations())
    return recompile(before, Change(declarations=declarations))


@dataclass(kw_only=False, slots=True)
class _State:
    """A State in the making."""

    source: Source
    declarations: Declarations | None
    problems: tuple[Problem, ...]
    compilation: Compilation | None = None

    def compiled(self, compilation: Compilation, cluster: Cluster) -> None:
        self.compilation = compilation
        known = compilation.problems if cluster.inventory else _without_inventory(compilation)
        self.problems = (*self.problems, *known)

    def state(self, cluster: Cluster) -> State:
        return State(
            source=self.source,
            declarations=self.declarations,
            compilation=self.compilation,
            reachability=self._reachability(),
            problems=in_reading_order((*self.source.problems, *self.problems, *cluster.problems)),
        )

    def _reachability(self) -> Reachability:
        compilation, declarations = self.compilation, self.declarations
        if compilation is None or declarations is None:
            return Reachability()
        if compilation.refused:
            namespaces = compilation.inputs.inventory.namespaces
            return reachability_of(declarations, resolve(declarations, namespaces))
        services = visible_services(compilation.service_plans, compilation.numbers, compilation.resolution)
        return reachability_of(declarations, compilation.resolution, services)


_OF_DELETIONS = "ATL6"


def _without_inventory(compilation: Compilation) -> tuple[Problem, ...]:
    """Of an empty cluster much would be said that is only not known."""
    meant = frozenset(compilation.resolution.problems)
    return tuple(
        problem
        for problem in compilation.problems
        if problem.severity is Severity.ERROR or problem in meant or problem.code.startswith(_OF_DELETIONS)
    )
