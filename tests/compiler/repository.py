"""Repositories in a few lines, for tests of parsing."""

from __future__ import annotations

from compiler.model import Declarations
from compiler.parse import Parsed, parse

CLUSTER = """\
apiVersion: atoll.dev/v1alpha1
kind: ClusterConfig
metadata:
  name: cluster
spec:
  podRanges: [10.244.0.0/16, "fd00:10:244::/56"]
  serviceRanges: [10.96.0.0/16, "fd00:10:96::/112"]
  nodeRanges: [192.168.0.0/24]
"""


def cluster(**spec: str) -> str:
    """A ClusterConfig with these fields beside the ranges, in lines 9 and following."""
    return CLUSTER + "".join(f"  {field}: {value}\n" for field, value in spec.items())


def network(spec: str = "subnets: [10.1.0.0/24]", *, name: str = "red", namespace: str = "team-a") -> str:
    """A VirtualNetwork whose spec, in flow style, stands in line 4 from column 7."""
    return (
        "apiVersion: atoll.dev/v1alpha1\n"
        "kind: VirtualNetwork\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{{spec}}}\n"
    )


def router(spec: str = "type: mesh, virtualNetworkSelector: {}", *, name: str = "all") -> str:
    """A VirtualNetworkRouter whose spec, in flow style, stands in line 4 from column 7."""
    return (
        "apiVersion: atoll.dev/v1alpha1\n"
        "kind: VirtualNetworkRouter\n"
        f"metadata: {{name: {name}, namespace: team-a}}\n"
        f"spec: {{{spec}}}\n"
    )


def contrail(kind: str, spec: str, *, name: str, version: str = "v3") -> str:
    """A manifest of core.contrail.juniper.net whose spec, in flow style, stands in line 4 from column 7."""
    return (
        f"apiVersion: core.contrail.juniper.net/{version}\n"
        f"kind: {kind}\n"
        f"metadata: {{name: {name}, namespace: team-a}}\n"
        f"spec: {{{spec}}}\n"
    )


def parsed(files: dict[str, str | bytes], *, with_cluster: bool = True) -> Parsed:
    """What comes of the files, beside a ClusterConfig in cluster.yaml unless they have one there."""
    contents = {"cluster.yaml": CLUSTER, **files} if with_cluster else files
    encoded = {path: c if isinstance(c, bytes) else c.encode() for path, c in contents.items()}
    return parse(encoded, revision="c0ffee")


def problems(files: dict[str, str | bytes], *, with_cluster: bool = True) -> list[str]:
    """Every problem as its users see it."""
    return [str(problem) for problem in parsed(files, with_cluster=with_cluster).problems]


def accepted(files: dict[str, str | bytes]) -> Declarations:
    """The declarations, which have no problem at all."""
    result = parsed(files)
    assert [str(problem) for problem in result.problems] == []
    assert result.declarations is not None
    return result.declarations
