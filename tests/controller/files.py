"""Declarations of a small cluster, as the files of a repository."""

from __future__ import annotations

CLUSTER = b"""\
apiVersion: atoll.dev/v1alpha1
kind: ClusterConfig
metadata: {name: cluster}
spec:
  podRanges: [10.244.0.0/16]
  serviceRanges: [10.96.0.0/16]
  nodeRanges: [192.0.2.0/24]
  dns: {addresses: [192.0.2.53], ports: [{protocol: UDP, port: 53}]}
  api: {addresses: [192.0.2.54], ports: [{protocol: TCP, port: 6443}]}
  limits: {maxDeletedShare: 1.0}
"""
BROKEN = b"apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetwork\nmetadata: {name: red\n"


def network(name: str, subnet: str) -> bytes:
    return (
        "apiVersion: atoll.dev/v1alpha1\n"
        "kind: VirtualNetwork\n"
        f"metadata: {{name: {name}, namespace: team-a}}\n"
        f"spec: {{subnets: [{subnet}]}}\n"
    ).encode()


RED = {"cluster.yaml": CLUSTER, "red.yaml": network("red", "10.1.0.0/24")}
RED_AND_BLUE = RED | {"blue.yaml": network("blue", "10.2.0.0/24")}
