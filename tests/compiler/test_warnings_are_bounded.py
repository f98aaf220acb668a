"""A file may be full of warnings; a review that lists them all would hide the rest."""

from __future__ import annotations

from compiler.parse import parse

CLUSTER = b"""\
apiVersion: atoll.dev/v1alpha1
kind: ClusterConfig
metadata: {name: cluster}
spec: {podRanges: [10.244.0.0/16], serviceRanges: [10.96.0.0/16], nodeRanges: [192.0.2.0/24]}
"""
NETWORK = """\
apiVersion: core.contrail.juniper.net/v3
kind: Subnet
metadata: {name: red-v4, namespace: team-a}
spec: {cidr: 10.1.0.0/24}
---
apiVersion: core.contrail.juniper.net/v3
kind: VirtualNetwork
metadata: {name: red, namespace: team-a}
spec:
  v4SubnetReference: {name: red-v4}
"""


def test_after_a_thousand_warnings_of_one_file_the_others_are_counted() -> None:
    fields = "".join(f"  unknown{number}: 1\n" for number in range(1005))
    parsed = parse({"cluster.yaml": CLUSTER, "red.yaml": (NETWORK + fields).encode()}, revision="")
    assert parsed.declarations is not None
    assert sum(problem.code == "ATL221" for problem in parsed.problems) == 1000
    assert [str(problem) for problem in parsed.problems if problem.code == "ATL120"] == [
        "red.yaml: warning ATL120: red.yaml: 5 more in this file are not listed. See to the warnings listed "
        "and look again."
    ]
