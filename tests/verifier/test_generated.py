"""Generated clusters, compiled and judged: what was declared is what the verdict finds, in every one."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.inventory import Inventory, Namespace, Node, Pod
from compiler.model import Declarations
from compiler.names import NodeName, ObjectName
from tests.compiler import clusters
from tests.verifier.rendered import meaning_from, texts_of
from tests.verifier.side_by_side import Topology, many, placed, together
from verifier.fault import Contradiction
from verifier.judge import Verdict, judge
from verifier.talking import talking

SLOW = settings(
    max_examples=60,
    derandomize=True,  # the same clusters in every run; --topologies draws more of the others
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes, and a violation is small
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
NODES = tuple(NodeName(f"node-{index}") for index in (1, 2))


def verdict_of(compilation: Compilation) -> Verdict:
    return judge(meaning_from(compilation), [text.read() for text in texts_of(compilation).values()])


@SLOW
@given(declared=clusters.declarations(), inventory=clusters.inventories())
def test_generated_clusters_are_proved(declared: Declarations, inventory: Inventory) -> None:
    compilation = compile(declared, inventory, Allocations())
    if not compilation.refused:
        try:
            verdict = verdict_of(compilation)
        except Contradiction:
            return  # an endpoint that claims a pod's own address: no kernel takes both routes
        assert verdict.proved, "\n".join(map(str, verdict.violations))


def cluster(topologies: tuple[Topology, ...], seed: int) -> Inventory:
    pods = [
        Pod(
            name=ObjectName(namespace=name.namespace, name=f"{name.name}-{node}"),
            uid=f"{name}-{node}",
            node=NODES[node - 1],
            network=name.name,
        )
        for name, node in placed(topologies, len(NODES), seed)
    ]
    return Inventory(
        nodes={
            node: Node(name=node, addresses=(ip_address(f"192.0.2.{index}"),))
            for index, node in enumerate(NODES, start=1)
        },
        namespaces={s: Namespace(name=s, labels={}) for one in topologies for s in one.namespaces},
        pods={pod.name: pod for pod in pods},
    )


@pytest.mark.parametrize("seed", range(10))
def test_topologies_side_by_side_are_proved(seed: int, topologies_each: int) -> None:
    """Each of them for itself, and each against all others."""
    topologies = many(topologies_each, seed)
    compilation = compile(together(topologies), cluster(topologies, seed), Allocations())
    assert not compilation.refused, [str(problem) for problem in compilation.problems]
    verdict = verdict_of(compilation)
    assert verdict.proved, "\n".join(map(str, verdict.violations))
    assert verdict.certificate.counts.pairs_open > 0


@pytest.mark.parametrize("seed", range(3))
def test_topologies_reach_over_more_than_their_own_networks_nowhere(seed: int) -> None:
    topologies = many(50, seed)
    found = talking(together(topologies), {})
    for topology in topologies:
        for name in topology.names:
            assert found.domains[name] <= frozenset(topology.names)
