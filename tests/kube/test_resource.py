"""Paths of the API, and names that must not lead astray."""

from __future__ import annotations

import pytest

from kube.api import ObjectRef
from kube.kinds import CLUSTER_ROLES, LEASES, NODE_NETWORKS, NODES, PODS, VIRTUAL_NETWORKS


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (NODES.path(), "/api/v1/nodes"),
        (NODES.path(name="worker-1"), "/api/v1/nodes/worker-1"),
        (NODES.path("ignored", "worker-1"), "/api/v1/nodes/worker-1"),
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("shop"), "/api/v1/namespaces/shop/pods"),
        (PODS.path("shop", "web-1", "binding"), "/api/v1/namespaces/shop/pods/web-1/binding"),
        (LEASES.path("a", "b"), "/apis/coordination.k8s.io/v1/namespaces/a/leases/b"),
        (
            NODE_NETWORKS.path(name="n", subresource="status"),
            "/apis/atoll.dev/v1alpha1/nodenetworks/n/status",
        ),
        (
            CLUSTER_ROLES.path(name="atoll:node:worker-1"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/atoll:node:worker-1",
        ),
        (NODES.path(name="a?b c#d"), "/api/v1/nodes/a%3Fb%20c%23d"),
    ],
)
def test_the_path_of_an_object(path: str, expected: str) -> None:
    assert path == expected


@pytest.mark.parametrize("name", [".", "..", "a/b", "../../secrets", "a%2fb"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of an object"):
        PODS.path("shop", name)
    with pytest.raises(ValueError, match="cannot be the name of an object"):
        PODS.path(name, "web")


def test_a_reference_reads_as_in_messages() -> None:
    assert str(ObjectRef(resource=VIRTUAL_NETWORKS, name="web", namespace="shop")) == (
        "virtualnetworks.atoll.dev shop/web"
    )
    assert str(ObjectRef(resource=NODES, name="worker-1")) == "nodes worker-1"


def test_the_api_version_of_the_core_group_is_its_version() -> None:
    assert (NODES.api_version, LEASES.api_version) == ("v1", "coordination.k8s.io/v1")
