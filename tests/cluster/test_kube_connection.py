"""Identities as the real API server sees them, over TLS."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kube.api import Unauthorized, Unreachable
from kube.client import ClusterApi
from kube.connection import Connection, connect, in_cluster, with_token
from kube.kinds import NODES
from tests.cluster.scene import Cluster
from tests.contracts.apis import read, text_at


def user_of(connection: Connection) -> str:
    answer = ClusterApi.of(connection).request_raw(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
    )
    return text_at(read(answer), "status", "userInfo", "username")


def token_of(cluster: Cluster, namespace: str) -> str:
    return cluster.plane.kubectl("create", "token", "default", "--namespace", namespace).strip()


def test_a_client_certificate_is_who_it_says(cluster: Cluster) -> None:
    assert user_of(connect(cluster.plane.user("jo", "people"))) == "jo"


def test_an_exchanged_token_goes_without_the_client_certificate(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    token = token_of(cluster, namespace)
    exchanged = with_token(connect(cluster.plane.kubeconfig), lambda: token)
    assert user_of(exchanged) == f"system:serviceaccount:{namespace}:default"


def test_a_wrong_token_is_nobody_although_a_certificate_was_at_hand(cluster: Cluster) -> None:
    exchanged = with_token(connect(cluster.plane.kubeconfig), lambda: "wrong")
    with pytest.raises(Unauthorized):
        ClusterApi.of(exchanged).list(NODES)


def test_a_pod_is_its_service_account(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.namespace()
    (tmp_path / "token").write_text(token_of(cluster, namespace))
    (tmp_path / "ca.crt").write_bytes(cluster.plane.ca.read_bytes())
    port = str(urlsplit(cluster.plane.url).port)
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
    assert user_of(in_cluster(tmp_path, environ=environ)) == f"system:serviceaccount:{namespace}:default"


def test_a_server_that_another_authority_vouches_for_is_not_spoken_to(
    cluster: Cluster, tmp_path: Path
) -> None:
    # Any other certificate will do as the authority: the client's own.
    config = json.loads(cluster.plane.kubeconfig.read_text())
    own = Path(config["users"][0]["user"]["client-certificate"])
    config["clusters"][0]["cluster"]["certificate-authority"] = str(own)
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    with pytest.raises(Unreachable, match="certificate verify failed"):
        ClusterApi.of(connect(path)).list(NODES)


def test_a_server_of_another_name_is_not_spoken_to(cluster: Cluster, tmp_path: Path) -> None:
    config = json.loads(cluster.plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["tls-server-name"] = "api.example.com"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    with pytest.raises(Unreachable, match="certificate verify failed"):
        ClusterApi.of(connect(path)).list(NODES)


def test_a_server_is_ready(cluster: Cluster) -> None:
    assert cluster.api.request_raw("GET", "/readyz") == b"ok"
