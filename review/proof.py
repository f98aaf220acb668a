"""The proof of a compilation: what the compiler renders for every node, judged by the verifier as text.

A node's verdict is taken over from an earlier proof where its texts and all that they are held against are
the same, so that after a change only what the change concerns is judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

from compiler.compilation import Compilation
from compiler.inventory import Pod
from compiler.names import ObjectName
from compiler.plan import NodePlan
from review.crew import Crew
from review.first_pods import absent_networks, nodes_for_first_pods, tried, unjudged, with_first_pods
from review.forked import processes_for
from review.node_text import rendered
from review.proof_memory import Memory, Source, Unjudged
from verifier.certificate import digest_of
from verifier.judge import Progress, Verdict, sum_up
from verifier.meaning import Meaning, meaning_of

__all__ = [
    "Memory",
    "Proof",
    "Unjudged",
    "compiled_source",
    "judged",
    "prove",
    "prove_with_first_pods",
    "remarked",
]


def prove(
    compilation: Compilation,
    *,
    memory: Memory | None = None,
    progress: Progress | None = None,
    processes: int | None = None,
) -> Verdict:
    """Of every node's plan. The compilation must not be refused. Raises Unjudged.

    `processes`: how many share the work; 0: this one alone. By default as it pays.
    """
    inputs = compilation.inputs
    meaning = meaning_of(inputs.declarations, inputs.inventory, compilation.allocations)
    pods = inputs.inventory.pods
    sources = [compiled_source(plan, pods) for plan in compilation.plans.values()]
    return judged(meaning, sources, memory=memory or Memory(), progress=progress, processes=processes)


class Proof(NamedTuple):
    """`tried` and `missing`: sentences of review.first_pods about networks that are on no node."""

    verdict: Verdict
    tried: str
    missing: str

    @property
    def remarked(self) -> Verdict:
        """The verdict with both among its assumptions."""
        return remarked(remarked(self.verdict, self.tried), self.missing)


def prove_with_first_pods(compilation: Compilation, *, progress: Progress | None = None) -> Proof:
    """Of every node's plan, and of networks that no pod is of yet. Raises Unjudged."""
    memory = Memory()
    verdict = prove(compilation, memory=memory, progress=progress)
    names = absent_networks(compilation)
    if not names:
        return Proof(verdict, "", "")
    nodes = nodes_for_first_pods(compilation)
    later = with_first_pods(compilation, frozenset(names), nodes)
    if later.refused:
        return Proof(verdict, "", unjudged(names))
    missing = absent_networks(later)
    found = prove(later, memory=memory, progress=progress)
    further = tuple(one for one in found.violations if one not in verdict.violations)
    counts = found.certificate.counts
    whole = Verdict(
        violations=(*verdict.violations, *further),
        certificate=replace(verdict.certificate, counts=counts),
    )
    judged_too = tuple(name for name in names if name not in missing)
    return Proof(whole, tried(judged_too, nodes), unjudged(missing))


def remarked(verdict: Verdict, remark: str) -> Verdict:
    """The verdict with what its reader must know first, among its assumptions; the same for ""."""
    if not remark:
        return verdict
    assumptions = (remark, *verdict.certificate.assumptions)
    return replace(verdict, certificate=replace(verdict.certificate, assumptions=assumptions))


def compiled_source(plan: NodePlan, pods: Mapping[ObjectName, Pod]) -> Source:
    """`pods`: of the inventory."""
    return Source(name=plan.name, token=plan, text=lambda: rendered(plan, pods), weight=len(plan.networks))


def judged(
    meaning: Meaning,
    sources: Iterable[Source],
    *,
    memory: Memory,
    progress: Progress | None = None,
    processes: int | None = None,
) -> Verdict:
    """Nodes as they were given, whoever wrote their texts; those that are missing are violations."""
    listed = sorted(sources, key=lambda source: source.name)
    unread = [source for source in listed if memory.facts(source) is None]
    pays = processes_for(sum(source.weight for source in unread), most=len(unread))
    count = pays if processes is None else processes
    with closing(Crew(meaning, memory, unread, processes=count)) as crew:
        for source, facts in crew.read():
            memory.learn(source, facts)
            if progress is not None:
                progress(0, len(listed))
        return _summed_up(meaning, listed, memory, crew, progress)


def _summed_up(
    meaning: Meaning, listed: list[Source], memory: Memory, crew: Crew, progress: Progress | None
) -> Verdict:
    facts = {source.name: memory.known(source) for source in listed}
    receivers = {key: mac for known in facts.values() for key, mac in known.receivers.items()}
    concerns = memory.concerns(meaning, receivers)
    concern = {name: concerns.of(name) if name in meaning.nodes else () for name in facts}
    standing = {name: memory.verdict(name, facts[name].digest, concern[name]) for name in facts}
    verdicts = [verdict for verdict in standing.values() if verdict is not None]
    memory.judged = ()
    for verdict in crew.judge([source for source in listed if standing[source.name] is None], receivers):
        memory.keep(facts[verdict.node].digest, concern[verdict.node], verdict)
        verdicts.append(verdict)
        if progress is not None:
            progress(len(verdicts), len(listed))
    return sum_up(meaning, verdicts, digest=digest_of({name: known.digest for name, known in facts.items()}))
