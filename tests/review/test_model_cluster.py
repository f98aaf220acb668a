"""What declarations alone are tried on."""

from __future__ import annotations

from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.model import Declarations
from compiler.names import ObjectName
from review.model_cluster import NODES, model_cluster
from review.proof import prove
from tests.compiler.declared import declarations, network, router

RED, BLUE = network("red", "10.1.0.0/24", line=1), network("blue", "10.2.0.0/24", line=11)
BOTH = declarations(RED, BLUE, router("mesh", "mesh", line=31))


def compiled(declared: Declarations) -> Compilation:
    return compile(declared, model_cluster(declared), Allocations())


def test_every_network_has_a_pod_on_each_of_two_nodes() -> None:
    found = model_cluster(BOTH)

    assert sorted((pod.network, pod.node) for pod in found.pods.values()) == [
        ("team-a/blue", "node-1"),
        ("team-a/blue", "node-2"),
        ("team-a/red", "node-1"),
        ("team-a/red", "node-2"),
    ]


def test_infrastructure_that_is_named_is_there() -> None:
    metrics = ObjectName(namespace="monitoring", name="metrics")
    found = model_cluster(declarations(network("red", "10.1.0.0/24", infrastructure=(metrics,))))

    assert [str(name) for name in found.services if name == metrics] == ["monitoring/metrics"]
    backends = [one.endpoints[0] for one in found.slices.values() if one.service == metrics]
    assert [(one.addresses[0].version, one.pod) for one in backends] == [(4, None), (6, None)]


def test_what_is_compiled_for_it_has_no_warning_and_is_proved() -> None:
    result = compiled(BOTH)

    assert result.problems == ()
    assert {plan.name: len(plan.networks) for plan in result.plans.values()} == dict.fromkeys(NODES, 2)
    assert prove(result).proved
