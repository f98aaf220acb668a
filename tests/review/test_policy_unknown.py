"""Without an inventory: what may be connected, depending on labels of namespaces, is not passed over."""

from __future__ import annotations

from tests.compiler.repository import network
from tests.review.changes import Files, acts, judged, policy

GUARD = "{name: closed, namespaces: [team-a], refuse: [newPeers], approvers: [alice]}"
NETWORKS: Files = {
    "policy.yaml": policy(GUARD),
    "red.yaml": network(),
    "blue.yaml": network("subnets: [10.2.0.0/24]", name="blue", namespace="team-b"),
}


def hub(namespaces: str) -> Files:
    return {"hub.yaml": _router("hub", "team-a", "hub", namespaces)}


def spoke(namespaces: str) -> Files:
    return {"spoke.yaml": _router("spoke", "team-b", "spoke", namespaces)}


def _router(name: str, namespace: str, kind: str, namespaces: str) -> str:
    return (
        "apiVersion: atoll.dev/v1alpha1\n"
        "kind: VirtualNetworkRouter\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{type: {kind}, virtualNetworkSelector: {{}}, import: {{virtualNetworkRouters: ["
        f"{{virtualNetworkRouterSelector: {{}}, namespaceSelector: {{matchLabels: {namespaces}}}}}]}}}}\n"
    )


BY_NAME = "{kubernetes.io/metadata.name: team-a}"
BY_LABEL = "{env: prod}"
TOLD = (
    "guard closed: team-a/red may newly talk, if the labels of namespaces are so, which no inventory says, "
    "to team-b/blue (hub.yaml:1, spoke.yaml:1)"
)


def test_an_import_by_a_label_that_nobody_knows_counts_as_one_that_may_select() -> None:
    after = NETWORKS | hub(BY_LABEL) | spoke(BY_NAME)
    assert acts(judged(NETWORKS, after)) == [TOLD]


def test_one_that_was_there_before_is_no_change() -> None:
    before = NETWORKS | hub(BY_LABEL) | spoke(BY_NAME)
    assert acts(judged(before, before | {"green.yaml": network("subnets: [10.3.0.0/24]", name="green")})) == [
        TOLD.replace("team-a/red", "team-a/green")
    ]
    assert acts(judged(before, before)) == []


def test_one_that_selects_by_another_label_is_a_change() -> None:
    before = NETWORKS | hub(BY_LABEL) | spoke(BY_NAME)
    assert acts(judged(before, before | hub("{env: test}"))) == [TOLD]


def test_a_network_that_another_router_takes_up_is_a_change() -> None:
    """The routers are as they were: the one asks for production, the other for test."""

    def selecting(name: str, tier: str, env: str) -> str:
        hub = _router(name, "team-a", "hub", f"{{env: {env}}}")
        return hub.replace(
            "virtualNetworkSelector: {}", f"virtualNetworkSelector: {{matchLabels: {{t: {tier}}}}}"
        )

    def labelled(tier: str) -> Files:
        return {"red.yaml": network().replace("team-a}", f"team-a, labels: {{t: {tier}}}}}")}

    routers = {"hub.yaml": selecting("hub", "x", "prod"), "other.yaml": selecting("other", "y", "test")}
    before = NETWORKS | routers | spoke(BY_NAME) | labelled("x")
    assert acts(judged(before, before | labelled("y"))) == [TOLD.replace("hub.yaml", "other.yaml")]


def test_an_import_by_name_is_certain_and_told_once() -> None:
    after = NETWORKS | hub("{kubernetes.io/metadata.name: team-b}") | spoke(BY_NAME)
    assert acts(judged(NETWORKS, after)) == [
        "guard closed: team-a/red may newly talk to team-b/blue (hub.yaml:1, spoke.yaml:1)"
    ]


def test_an_import_of_another_namespace_by_name_stays_closed() -> None:
    after = NETWORKS | hub("{kubernetes.io/metadata.name: team-z, env: prod}") | spoke(BY_NAME)
    assert acts(judged(NETWORKS, after)) == []
