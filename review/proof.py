"""The proof of a compilation: what the compiler renders for every node, judged by the verifier as text.

A node's verdict is taken over from an earlier proof where its texts and all that they are held against are
the same, so that after a change only what the change concerns is judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace

from compiler.compilation import Compilation
from compiler.inventory import Pod
from compiler.names import ObjectName
from compiler.plan import NodePlan, Presence
from review.crew import Crew
from review.forked import processes_for
from review.headline import some
from review.node_text import rendered
from review.proof_memory import Memory, Source, Unjudged
from verifier.certificate import digest_of
from verifier.judge import Progress, Verdict, sum_up
from verifier.meaning import Meaning, meaning_of

__all__ = ["Memory", "Unjudged", "absent", "compiled_source", "judged", "prove", "remarked"]


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


def absent(compilation: Compilation) -> str:
    """A sentence about networks that are on no node, for nobody has proved anything of them; "" for none."""
    present = {
        network.name
        for plan in compilation.plans.values()
        for network in plan.networks
        if network.presence is Presence.PRESENT
    }
    names = sorted(n.name for n in compilation.inputs.declarations.networks if n.name not in present)
    if not names:
        return ""
    return (
        f"Without a pod in the inventory a network is on no node, and nothing of it was judged: "
        f"{some(list(map(str, names)))}."
    )


def remarked(verdict: Verdict, remark: str) -> Verdict:
    """The verdict with what its reader must know first, among its assumptions; the same for ""."""
    if not remark:
        return verdict
    assumptions = (remark, *verdict.certificate.assumptions)
    return replace(verdict, certificate=replace(verdict.certificate, assumptions=assumptions))


def compiled_source(plan: NodePlan, pods: Mapping[ObjectName, Pod]) -> Source:
    """`pods`: of the inventory."""
    return Source(name=plan.name, token=plan, text=lambda: rendered(plan, pods))


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
    count = processes_for(len(unread)) if processes is None else processes
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
