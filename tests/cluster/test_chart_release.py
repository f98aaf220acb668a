"""A release of the chart through its life: installed, upgraded, uninstalled."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from cli.lab.control_plane import Binaries, CommandRefused, ControlPlane
from tests.cluster.chart import AGENTS, CHART, NAMESPACE, NODES, apply_definitions, installed, require_tools


@pytest.fixture
def release(binaries: Binaries, control_plane: ControlPlane) -> Iterator[ControlPlane]:
    require_tools(binaries)
    with installed(control_plane):
        yield control_plane


def test_an_upgrade_waits_for_the_definitions(release: ControlPlane) -> None:
    rename = '[{"op": "add", "path": "/spec/versions/0/additionalPrinterColumns/0/name", "value": "Former"}]'
    release.kubectl("patch", "crd", "virtualnetworks.atoll.dev", "--type=json", "--patch", rename)
    upgrade = ("upgrade", "atoll", str(CHART), "--namespace", NAMESPACE, "--set=controller.replicas=3")
    with pytest.raises(CommandRefused, match=r"virtualnetworks\.atoll\.dev: .* First run: kubectl apply "):
        release.helm(*upgrade)
    apply_definitions(release)
    release.helm(*upgrade)
    replicas = ("get", "deployment", "atoll-controller", "-n", NAMESPACE, "-o=jsonpath={.spec.replicas}")
    assert release.kubectl(*replicas) == "3"


def test_uninstalling_leaves_networks_and_their_definitions(release: ControlPlane) -> None:
    network = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "VirtualNetwork",
        "metadata": {"name": "red", "namespace": "default"},
        "spec": {"subnets": ["10.10.0.0/16"]},
    }
    release.kubectl("apply", "-f", "-", input=json.dumps(network))
    release.helm("uninstall", "atoll", "--namespace", NAMESPACE)
    assert "virtualnetwork.atoll.dev/red" in release.kubectl("get", "vn", "-o=name")
    assert release.kubectl("get", "clusterroles", "-o=name").count("atoll") == 0
    # No controller of namespaces runs here: the two that the chart made stay while they end.
    phases = release.kubectl("get", "ns", AGENTS, NODES, "-o=jsonpath={..phase}")
    assert phases == "Terminating Terminating"
