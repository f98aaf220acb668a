"""Whatever stands in the fields of an object, the loop goes on, and the others stay as they are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kube.api import ObjectRef
from kube.kinds import ENDPOINT_SLICES, NODES, PODS, SERVICES
from tests.controller.cluster.stage import (
    CONFIG,
    SOURCE,
    TEAM,
    Stage,
    network_ref,
    node_ref,
    router_ref,
)
from tests.controller.files import RED

SERVICE = ObjectRef(resource=SERVICES, name="web", namespace=TEAM)
SLICE = ObjectRef(resource=ENDPOINT_SLICES, name="web-1", namespace=TEAM)
FIELDS: dict[ObjectRef, tuple[str, ...]] = {
    network_ref("red"): ("spec.subnets", "spec.egress", "status.addresses", "status.conditions", "spec"),
    network_ref("grey"): ("spec.subnets", "spec.allowedNamespaces", "spec.infrastructure", "status", "spec"),
    router_ref("mesh"): ("spec.type", "spec.virtualNetworkSelector", "spec.import", "spec"),
    CONFIG: ("spec.podRanges", "spec.limits", "spec.confirmDeletionOf", "spec.dns", "spec"),
    SOURCE: (
        "spec.url",
        "spec.ref",
        "spec.path",
        "spec.interval",
        "spec.timeout",
        "spec.rollout",
        "spec.rollout.share",
        "spec.rollout.canary",
        "spec.rollout.readyTimeout",
        "spec.verify",
        "spec.webhook",
        "spec.suspend",
        "status.inventory",
        "status.rollout",
        "status.problems",
        "status.conditions",
        "status",
        "spec",
    ),
    node_ref("node-1"): (
        "spec.plan",
        "spec.parts",
        "spec.digest",
        "spec.generation",
        "spec.epoch",
        "status.applied",
        "status.errors",
        "status.leaving",
        "status.conditions",
        "status",
    ),
    ObjectRef(resource=NODES, name="node-1"): ("status.addresses", "status.conditions", "spec", "status"),
    ObjectRef(resource=PODS, name="web", namespace=TEAM): (
        "metadata.annotations",
        "spec.nodeName",
        "spec.hostNetwork",
        "status.podIPs",
        "status.phase",
    ),
    SERVICE: ("spec.ports", "spec.clusterIPs", "spec.selector", "spec"),
    SLICE: ("endpoints", "ports", "addressType"),
}

NAMES = ("name", "canary", "share", "values", "type", "digest")
KEYED = ("conditions", "ports", "addresses", "podIPs")
"""Of lists with a key for each entry the server itself, also a simulated one, keeps the form."""

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(("", "x", "red", "10.0.0.0/8", "999%", "1.5h", "::/0", "Halted", "a/b/c", "0" * 300)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("name", "canary", "share", "values", "type", "digest")), inner, max_size=3
        )
    ),
    max_leaves=6,
)
poisons = st.tuples(
    st.sampled_from([(ref, field) for ref, fields in FIELDS.items() for field in fields]), values
).filter(lambda poison: not (poison[0][1].endswith(KEYED) and isinstance(poison[1], list)))


def peopled() -> Stage:
    """Something of every kind, and a network of Git's, one of the cluster's own and one that stays sound."""
    stage = Stage()
    for number in (1, 2):
        stage.node(number)
    stage.repository.commit(RED)
    stage.follow()
    stage.declare("grey", "10.9.0.0/24")
    stage.declare("sound", "10.8.0.0/24")
    stage.join("mesh")
    stage.pod("web", 1, "red")
    stage.pod("other", 2, "sound")
    port = {"name": "http", "port": 80, "protocol": "TCP"}
    stage.api.create(
        SERVICES,
        {"metadata": {"name": "web"}, "spec": {"clusterIPs": ["10.96.0.7"], "ports": [port]}},
        namespace=TEAM,
    )
    labels = {"kubernetes.io/service-name": "web"}
    stage.api.create(
        ENDPOINT_SLICES,
        {
            "metadata": {"name": "web-1", "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.0.2"]}],
            "ports": [port],
        },
        namespace=TEAM,
    )
    stage.settle()
    stage.agents_apply()
    stage.settle()
    return stage


def poison(stage: Stage, ref: ObjectRef, field: str, value: object) -> None:
    patch = value
    for name in reversed(field.split(".")):
        patch = {name: patch}
    assert isinstance(patch, dict)
    if not stage.exists(ref):
        return  # the plan of a node that has no address any more, say
    subresource = "status" if field.startswith("status") else ""
    stage.api.beside("somebody").patch(ref, patch, subresource=subresource)


@settings(max_examples=60, deadline=None)
@given(st.lists(poisons, min_size=1, max_size=6), st.booleans())
def test_laws(doses: list[tuple[tuple[ObjectRef, str], object]], restarted: bool) -> None:
    stage = peopled()
    for (ref, field), value in doses:
        poison(stage, ref, field, value)
        stage.look()
        stage.turn()
        stage.seconds += 6
    if restarted:
        stage.closing()
        stage.restart()
        stage.look()
        stage.turn()
    stage.pod("late", 2, "sound")
    stage.look()
    stage.turn()
    declarations = stage.state.good.declarations if stage.state.good else None
    assert declarations
    assert "sound" in [network.name.name for network in declarations.networks]
    stage.closing()
