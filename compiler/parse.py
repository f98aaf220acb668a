"""The files of one commit to declarations: all problems of all files, and nothing at all if one is an error.

Incremental by construction: what a file says depends on its bytes alone, and what a network's subnets are
judged by depends on the network, the Subnets it names and the ClusterConfig alone. Both are kept by identity
in a `FileCache`, so that after a small change only that change is read and judged again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from compiler import contrail
from compiler.catalogue import found
from compiler.cluster import Cluster
from compiler.collector import collector_paused
from compiler.contrail import ReferencedSubnet
from compiler.fragment import ClusterDraft, Fragment, NetworkDraft, Sighting, fragment_of
from compiler.model import Declarations, VirtualNetwork
from compiler.names import ObjectName
from compiler.problem import Origin, Problem, Severity, in_reading_order
from compiler.subnets import Ground, ground_of, subnet_problems
from compiler.wording import cut

MAX_FILES = 10_000
MAX_TOTAL_BYTES = 16 * 1024 * 1024
_SUFFIXES = (".yaml", ".yml", ".json")
_LONGEST_PATH = 500
_UNUSABLE_PATH = re.compile(r"\A/|\\|[\x00-\x1f\x7f\ud800-\udfff]|//|/\Z|(\A|/)\.\.?(/|\Z)")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    content: bytes
    fragment: Fragment


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """A network and its problems, with all that they follow from."""

    draft: NetworkDraft
    targets: tuple[ReferencedSubnet | None, ...]
    ground: Ground | None
    network: VirtualNetwork
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileCache:
    """What an earlier parse found out. Hand it back to the next one; it never changes a result."""

    files: Mapping[str, _Read] = field(default_factory=dict)
    networks: Mapping[ObjectName, _Judged] = field(default_factory=dict)
    cluster: Cluster | None = None
    ground: Ground | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """The declarations of a commit; None if any problem is an error. Problems are in reading order."""

    declarations: Declarations | None
    problems: tuple[Problem, ...]
    cache: FileCache

    @property
    def named(self) -> frozenset[tuple[str, ObjectName]]:
        """Kind and name of every object in the files, whether or not it could be understood."""
        fragments = (read.fragment for read in self.cache.files.values())
        return frozenset((seen.kind, seen.name) for fragment in fragments for seen in fragment.sightings)

    @property
    def describes_cluster(self) -> bool:
        """Whether a file holds a ClusterConfig, whether or not it could be understood."""
        return any(read.fragment.clusters for read in self.cache.files.values())


@collector_paused()
def parse(files: Mapping[str, bytes], *, revision: str, cache: FileCache | None = None) -> Parsed:
    """Read every declaration file among `files`; see `is_declaration_file` for which these are."""
    cache = cache or FileCache()
    paths = sorted(path for path in files if is_declaration_file(path))
    refused = _too_much(paths, files)
    if refused is not None:
        return Parsed(declarations=None, problems=(refused,), cache=cache)
    problems: list[Problem] = []
    read: dict[str, _Read] = {}
    for path in paths:
        # What the cache holds has passed already.
        unusable = None if path in cache.files else _unusable_path(path)
        if unusable is None:
            read[path] = _read(path, files[path], cache)
        else:
            problems.append(unusable)
    return _assembled([entry.fragment for entry in read.values()], problems, read, cache, revision)


def is_declaration_file(path: str) -> bool:
    """YAML and JSON files outside hidden directories, themselves not hidden."""
    hidden = path.startswith(".") or "/." in path
    return path.lower().endswith(_SUFFIXES) and (not hidden or ".." in path.split("/"))


def _too_much(paths: list[str], files: Mapping[str, bytes]) -> Problem | None:
    total = sum(len(files[path]) for path in paths)
    if len(paths) <= MAX_FILES and total <= MAX_TOTAL_BYTES:
        return None
    reason = (
        f"it has {len(paths):,} declaration files of {total:,} bytes together, and may have "
        f"{MAX_FILES:,} of {MAX_TOTAL_BYTES:,}"
    )
    return found("ATL115", origin=None, subject="repository", reason=reason)


def _unusable_path(path: str) -> Problem | None:
    if len(path) <= _LONGEST_PATH and not _UNUSABLE_PATH.search(path):
        return None
    shown = cut(path)
    return found("ATL117", origin=Origin(path=shown), subject=shown, reason="the path is not usable")


def _read(path: str, content: bytes, cache: FileCache) -> _Read:
    earlier = cache.files.get(path)
    if earlier is not None and earlier.content == content:
        return earlier
    return _Read(content=content, fragment=fragment_of(path, content))


def _assembled(
    fragments: list[Fragment],
    problems: list[Problem],
    read: Mapping[str, _Read],
    cache: FileCache,
    revision: str,
) -> Parsed:
    certain = all(fragment.certain for fragment in fragments) and not problems
    for fragment in fragments:
        problems += fragment.problems
    problems += _named_twice(fragments)
    draft = _cluster(fragments, problems, certain=certain)
    cluster = draft.cluster if draft else None
    ground = cache.ground if cluster is cache.cluster else ground_of(cluster) if cluster else None
    judged = _networks(fragments, ground, cache, problems, certain=certain)
    problems += _without_effect(cluster, judged)
    ordered = in_reading_order(problems)
    declarations = None
    if cluster is not None and all(problem.severity is Severity.WARNING for problem in ordered):
        routers = (router for fragment in fragments for router in fragment.routers)
        declarations = Declarations(
            revision=revision,
            config=cluster.config,
            networks=tuple(sorted((j.network for j in judged.values()), key=lambda n: _order(n.name))),
            routers=tuple(sorted(routers, key=lambda r: _order(r.name))),
        )
    kept = FileCache(files=read, networks=judged, cluster=cluster, ground=ground)
    return Parsed(declarations=declarations, problems=ordered, cache=kept)


def _order(name: ObjectName) -> tuple[str, str]:
    # Tuples compare ten times as fast as dataclasses.
    return name.namespace, name.name


def _named_twice(fragments: list[Fragment]) -> Iterator[Problem]:
    first: dict[tuple[str, ObjectName], Sighting] = {}
    for fragment in fragments:
        for sighting in fragment.sightings:
            earlier = first.setdefault((sighting.kind, sighting.name), sighting)
            if earlier is not sighting:
                subject = f"{sighting.kind} {cut(str(sighting.name))}"
                reason = f"the name is already taken by the object at {earlier.origin}"
                yield found("ATL215", origin=sighting.origin, subject=subject, reason=reason)


def _cluster(fragments: list[Fragment], problems: list[Problem], *, certain: bool) -> ClusterDraft | None:
    drafts = [draft for fragment in fragments for draft in fragment.clusters]
    for draft in drafts[1:]:
        reason = f"the cluster is already described at {drafts[0].origin}"
        problems.append(found("ATL217", origin=draft.origin, subject=draft.subject, reason=reason))
    if not drafts and certain:
        reason = "no file holds a ClusterConfig"
        problems.append(found("ATL216", origin=None, subject="repository", reason=reason))
    return drafts[0] if drafts else None


def _networks(
    fragments: list[Fragment],
    ground: Ground | None,
    cache: FileCache,
    problems: list[Problem],
    *,
    certain: bool,
) -> dict[ObjectName, _Judged]:
    """Each network with its subnets, by name. Of two with one name, which is an error, the first."""
    subnets = {subnet.name: subnet for fragment in reversed(fragments) for subnet in fragment.subnets}
    judged: dict[ObjectName, _Judged] = {}
    used: set[ObjectName] = set()
    for fragment in fragments:
        for draft in fragment.networks:
            targets = _targets(draft, subnets, certain=certain)
            used.update(reference.name for reference in draft.references or ())
            entry = _judged(draft, targets, ground, cache.networks.get(draft.network.name))
            judged.setdefault(draft.network.name, entry)
            problems += entry.problems
    if certain:
        problems += [contrail.unreferenced(s) for s in subnets.values() if s.subnet and s.name not in used]
    return judged


def _targets(
    draft: NetworkDraft, subnets: Mapping[ObjectName, ReferencedSubnet], *, certain: bool
) -> tuple[ReferencedSubnet | None, ...]:
    targets = []
    for reference in draft.references or ():
        target = subnets.get(reference.name)
        if target is None and not certain:
            # It may stand in a file that could not be read.
            target = ReferencedSubnet(name=reference.name, subnet=None, origin=reference.origin)
        targets.append(target)
    return tuple(targets)


def _judged(
    draft: NetworkDraft,
    targets: tuple[ReferencedSubnet | None, ...],
    ground: Ground | None,
    earlier: _Judged | None,
) -> _Judged:
    if (
        earlier is not None
        and earlier.draft is draft
        and earlier.ground is ground
        and all(a is b for a, b in zip(earlier.targets, targets, strict=True))
    ):
        return earlier
    network, unjoined = draft.network, tuple[Problem, ...]()
    if draft.references is not None:
        network, unjoined = contrail.joined(network, draft.references, targets)
    problems = (*unjoined, *subnet_problems(network, ground))
    return _Judged(draft=draft, targets=targets, ground=ground, network=network, problems=problems)


def _without_effect(cluster: Cluster | None, judged: Mapping[ObjectName, _Judged]) -> Iterator[Problem]:
    for name, origin in (cluster.confirmations if cluster else {}).items():
        if name in judged:
            reason = f"`confirmDeletionOf` names {name}, which is declared at {judged[name].network.origin}"
            yield found("ATL219", origin=origin, subject="ClusterConfig", reason=reason)
