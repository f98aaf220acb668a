"""What is declared: a Git commit as a whole, and what no commit declares, each object for itself.

An object that somebody applied to the cluster is read as a pseudo file,
`cluster:<plural>/<namespace>/<name>.json`.
A commit comes into force with all its files or not at all. An object of the cluster that has an error is
left out alone: what it said before stays in force, and nobody else waits for it. Where they cannot be in
force together, what is in force goes first, then the commit, then what is new in the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from compiler.compilation import Compilation
from compiler.model import Declarations
from compiler.parse import FileCache, Parsed, parse
from compiler.problem import Problem, Severity, in_reading_order
from controller.snapshot import CLUSTER_PREFIX, Snapshot

PREFIX = CLUSTER_PREFIX
"""Of pseudo files; no path in a repository begins so."""

MAX_TRIALS = 64
"""Compilations to find out which objects cannot be in force together; then the rest waits."""

_PLURALS: Mapping[str, str] = {
    "VirtualNetwork": "virtualnetworks",
    "VirtualNetworkRouter": "virtualnetworkrouters",
    "ClusterConfig": "clusterconfigs",
}

Files = Mapping[str, bytes]
Compiler = Callable[[Declarations], Compilation]


def pseudo_path(kind: str, namespace: str, name: str) -> str:
    """Return the path that stands for an object of the cluster; no namespace for a ClusterConfig."""
    return f"{PREFIX}{_PLURALS[kind]}/{namespace}/{name}.json".replace("//", "/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """The objects of the cluster as they stand there now, by pseudo path."""

    files: Files = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()
    """Those of them whose deletion somebody asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Composition:
    """A commit together with the objects of the cluster that can be in force beside it."""

    snapshot: Snapshot
    foreign: Files
    """Accepted, as they are in force."""
    declarations: Declarations | None
    """None where the commit has an error: it is refused as a whole."""
    compilation: Compilation | None
    """None where refused, and where nothing was compiled."""
    problems: tuple[Problem, ...]
    """Of the commit and of everything together; those of rejected objects are not among them."""
    texts: tuple[Problem, ...]
    """Those of them that the files alone show."""
    objections: Mapping[str, tuple[Problem, ...]]
    """Why an object of the cluster, or its deletion, is not in force as it stands there; by pseudo path."""
    curable: bool
    """Some of them come of compiling: another inventory may lift them, where a text stays what it is."""
    cache: FileCache


def compose(
    snapshot: Snapshot,
    offer: Offer,
    in_force: Files,
    cache: FileCache,
    compiler: Compiler | None,
    *,
    is_new: bool = True,
) -> Composition:
    """Find what of `offer` can be in force with the commit; `in_force` is what was accepted before.

    A new commit that contradicts what is in force is refused; the commit in force never is for an
    object's sake. Without a compiler, for want of an inventory, only the texts are judged.
    """
    if snapshot.problems and not snapshot.files:
        return _Search(snapshot=snapshot, compiler=None, cache=cache, is_new=is_new).refused()
    own = parse(snapshot.files, revision=snapshot.revision, cache=cache)
    search = _Search(snapshot=snapshot, compiler=compiler, cache=own.cache, is_new=is_new)
    if not offer.files and not in_force:
        return search.composition(search.judged({}, own.declarations, own.problems))
    ours = {pseudo_path(kind, name.namespace, name.name) for kind, name in own.named if kind in _PLURALS}
    settled = {path: content for path, content in in_force.items() if not _is_ours(path, ours, own)}
    wanted = {path: content for path, content in offer.files.items() if not _is_ours(path, ours, own)}
    for path in offer.leaving:
        wanted.pop(path, None)
    return search.run(wanted, settled)


def _is_ours(path: str, ours: set[str], own: Parsed) -> bool:
    """Whether the commit itself declares what an object of the cluster declares: then the commit counts."""
    return path in ours or (own.describes_cluster and path.startswith(f"{PREFIX}clusterconfigs/"))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trial:
    foreign: Files
    declarations: Declarations | None
    compilation: Compilation | None
    problems: tuple[Problem, ...]
    texts: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)


@dataclass(kw_only=True, slots=True)
class _Search:
    snapshot: Snapshot
    compiler: Compiler | None
    cache: FileCache
    is_new: bool
    objections: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    curable: bool = False
    trials: int = 0

    def run(self, wanted: Files, settled: Files) -> Composition:
        trial = self._without_culprits(dict(wanted), settled, spared=settled)
        if trial.errors:
            # Nobody in particular is to blame: go on from what is in force, take away what may go, and add
            # what can be added.
            wanted, because = trial.foreign, trial.errors
            trial = self.trial(settled)
            if trial.errors and not self.is_new:
                trial = self._without_culprits(dict(settled), {}, spared={})
            if not trial.errors:
                trial = self._shrunk(trial, wanted)
                changes = sorted(path for path in wanted if wanted[path] != trial.foreign.get(path))
                trial = self._grown(trial, changes, wanted, because)
        return self.composition(trial)

    def _without_culprits(self, chosen: dict[str, bytes], settled: Files, *, spared: Files) -> _Trial:
        """Take back what errors name, but for what is spared, until nothing is named or there is no error."""
        while True:
            trial = self.trial(chosen)
            culprits = {
                path: problems
                for path, problems in _culprits(trial, chosen, settled)
                if path not in chosen or spared.get(path) != chosen[path]
            }
            if not culprits or self.trials >= MAX_TRIALS:
                return trial
            for path, problems in culprits.items():
                self._object([path], problems, trial)
                before = settled.get(path)
                if before is None:
                    del chosen[path]
                else:
                    chosen[path] = before

    def _shrunk(self, base: _Trial, wanted: Files) -> _Trial:
        """Take away what is no longer wanted: those of a kind together, for their number matters."""
        for plural in ("virtualnetworkrouters", "virtualnetworks", "clusterconfigs"):
            gone = [path for path in base.foreign if path not in wanted and _plural(path) == plural]
            if not gone:
                continue
            chosen = {path: content for path, content in base.foreign.items() if path not in gone}
            trial = self._without_culprits(chosen, base.foreign, spared=base.foreign)
            if trial.errors:
                self._object(gone, trial.errors, trial)
            else:
                base = trial
        return base

    def _grown(self, base: _Trial, changes: list[str], wanted: Files, because: tuple[Problem, ...]) -> _Trial:
        """Add all changes that can be added, halving where they cannot be added together: `because`."""
        if not changes:
            return base
        if self.trials >= MAX_TRIALS:
            self._object(changes, because, base)
            return base
        trial = self.trial({**base.foreign, **{path: wanted[path] for path in changes}})
        if not trial.errors:
            return trial
        if len(changes) == 1:
            self._object(changes, trial.errors, trial)
            return base
        middle = len(changes) // 2
        base = self._grown(base, changes[:middle], wanted, trial.errors)
        return self._grown(base, changes[middle:], wanted, trial.errors)

    def _object(self, paths: list[str], problems: tuple[Problem, ...], trial: _Trial) -> None:
        self.objections.update(dict.fromkeys(paths, problems))
        self.curable = self.curable or trial.compilation is not None

    def trial(self, foreign: Files) -> _Trial:
        files = {**self.snapshot.files, **foreign}
        parsed = parse(files, revision=self.snapshot.revision, cache=self.cache)
        self.cache = parsed.cache
        return self.judged(dict(foreign), parsed.declarations, parsed.problems)

    def judged(
        self, foreign: Files, declarations: Declarations | None, problems: tuple[Problem, ...]
    ) -> _Trial:
        self.trials += 1
        texts = problems = in_reading_order((*self.snapshot.problems, *problems))
        refused = any(problem.severity is Severity.ERROR for problem in problems)
        compilation = None
        if declarations and self.compiler and not refused:
            compilation = self.compiler(declarations)
            problems = in_reading_order((*problems, *compilation.problems))
        return _Trial(
            foreign=foreign,
            declarations=None if refused else declarations,
            compilation=compilation,
            problems=problems,
            texts=texts,
        )

    def refused(self) -> Composition:
        """The commit could not even be read."""
        return self.composition(self.judged({}, None, ()))

    def composition(self, trial: _Trial) -> Composition:
        compiled = trial.compilation is not None and not trial.errors
        return Composition(
            snapshot=self.snapshot,
            foreign=trial.foreign,
            declarations=None if trial.errors else trial.declarations,
            compilation=trial.compilation if compiled else None,
            problems=trial.problems,
            texts=trial.texts,
            objections=self.objections,
            curable=self.curable,
            cache=self.cache,
        )


def _culprits(trial: _Trial, chosen: Files, settled: Files) -> Iterator[tuple[str, tuple[Problem, ...]]]:
    """Paths whose change an error blames: a file with an error in it, or a deletion that is guarded."""
    by_path: dict[str, list[Problem]] = {}
    gone = [path for path in settled if path not in chosen and _plural(path) == "virtualnetworks"]
    for problem in trial.errors:
        if problem.origin and problem.origin.path in chosen:
            by_path.setdefault(problem.origin.path, []).append(problem)
        for path in gone:
            if problem.code == "ATL601" or (problem.code == "ATL602" and _network(path) == problem.subject):
                by_path.setdefault(path, []).append(problem)
    for path, problems in by_path.items():
        yield path, tuple(problems)


def _plural(path: str) -> str:
    return path.removeprefix(PREFIX).partition("/")[0]


def _network(path: str) -> str:
    """The network of a pseudo path, as problems name it."""
    _, _, name = path.removesuffix(".json").partition("/")
    return f"VirtualNetwork {name}"
