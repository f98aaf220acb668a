"""The chart of deploy/, rendered by the real Helm and installed on the real API server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from cli.lab.control_plane import Binaries, ControlPlane, NoControlPlane

CHART: Final = Path(__file__).parents[2] / "deploy" / "chart" / "atoll"
NAMESPACE: Final = "atoll-system"
AGENTS: Final = "atoll-agents"
NODES: Final = "atoll-nodes"
CONTROLLER: Final = f"system:serviceaccount:{NAMESPACE}:atoll-controller"
AGENT: Final = f"system:serviceaccount:{AGENTS}:atoll-agent"
MONITORING: Final = "monitoring.coreos.com/v1"
"""An API that the chart uses where the cluster has it."""

DISCOVERY_SECONDS: Final = 30.0

Object = dict[str, Any]  # as in the manifest; each test reads the few fields that it is about


def rendered(
    control_plane: ControlPlane, values: Mapping[str, object] | None = None, *options: str
) -> list[Object]:
    """The objects of `helm template`, CRDs left out unless asked for."""
    version = json.loads(control_plane.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    text = control_plane.helm(
        *("template", "atoll", str(CHART), "--namespace", NAMESPACE, "--kube-version", version),
        *("--values", "-", *options),
        input=json.dumps(values or {}),
    )
    return [document for document in YAML(typ="safe").load_all(text) if document]


def named(objects: Iterable[Object], kind: str, name: str) -> Object:
    found = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} objects {kind} {name}"
    return found[0]


def container(objects: Iterable[Object], kind: str, name: str) -> Object:
    """The one container of a workload."""
    (only,) = named(objects, kind, name)["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def manifest(objects: Iterable[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def pod_of(workload: Object, namespace: str) -> Object:
    """A Pod as the workload's controller would make it."""
    template = workload["spec"]["template"]
    metadata = {**template["metadata"], "name": workload["metadata"]["name"], "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def require_tools(binaries: Binaries) -> None:
    """Skips where the control plane came without kubectl and Helm."""
    try:
        for tool in ("kubectl", "helm"):
            binaries.path(tool)
    except NoControlPlane as missing:
        pytest.skip(str(missing))


@contextmanager
def installed(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The chart with its default values, installed as the guide says; gone afterwards."""
    before = control_plane.etcd.keys()
    try:
        make_namespace(control_plane, NAMESPACE, "restricted")
        apply_definitions(control_plane)  # other tests' may be there, which Helm would leave as they are
        control_plane.helm("install", "atoll", str(CHART), "--namespace", NAMESPACE)
        yield control_plane
    finally:
        control_plane.reset(before)


def apply_definitions(control_plane: ControlPlane) -> None:
    """As the guide says, before an upgrade."""
    folder = f"{CHART}/crds/"  # without the slash, kubectl does not follow the link
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", folder)
    await_kinds(control_plane, "atoll.dev", len(list((CHART / "crds").iterdir())))


def await_kinds(control_plane: ControlPlane, group: str, count: int) -> None:
    """A definition is established some moments before discovery, and so kubectl, knows its kind."""
    end = time.monotonic() + DISCOVERY_SECONDS
    command = ("api-resources", "--api-group", group, "--output=name")
    while len(control_plane.kubectl(*command).splitlines()) < count:
        assert time.monotonic() < end, f"not all kinds of {group} were served after {DISCOVERY_SECONDS:g} s"


def make_namespace(control_plane: ControlPlane, name: str, level: str) -> None:
    """`level` of the Pod Security standards, enforced."""
    labels = {"pod-security.kubernetes.io/enforce": level}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(namespace))
