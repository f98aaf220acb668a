"""The Helm chart: what it makes, whether the API server takes it, whether the programs take their options."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.lab.control_plane import Binaries, CommandRefused, ControlPlane
from cli.main import atoll
from tests.cluster.chart import (
    CHART,
    MONITORING,
    NAMESPACE,
    apply_definitions,
    await_kinds,
    container,
    make_namespace,
    manifest,
    named,
    rendered,
    require_tools,
)

EVERYTHING = {
    "controller": {
        "replicas": 3,
        "image": {"repository": "registry.example/atoll-controller", "digest": f"sha256:{'a' * 64}"},
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
        "podAnnotations": {"example.com/team": "network"},
    },
    "webhook": {
        "ingress": {
            "enabled": True,
            "className": "public",
            "host": "hooks.example.org",
            "tlsSecret": "hooks-tls",
            "annotations": {"example.com/timeout": "10s"},
        }
    },
    "agent": {
        "nodeSelector": {"example.com/networks": "yes"},
        "podAnnotations": {"example.com/team": "network"},
        "maxUnavailable": 1,
        "tokenAudiences": ["https://kubernetes.default.svc"],
    },
    "source": {
        "name": "networks",
        "url": "https://git.example.org/platform/networks.git",
        "ref": {"branch": "main"},
        "interval": "30s",
        "secretRef": {"name": "networks-git"},
        "webhook": {"secretRef": {"name": "networks-webhook"}},
        "verify": {"mode": "ssh", "keysFrom": {"kind": "ConfigMap", "name": "signers"}},
        "rollout": {"canary": {"count": 1}, "share": "25%", "readyTimeout": "2m"},
    },
    "monitoring": {"labels": {"release": "prometheus"}, "interval": "15s"},
    "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Network"}},
    "networkPolicy": {"enabled": True, "metricsFrom": [{"namespaceSelector": {}}]},
    "imagePullSecrets": [{"name": "registry"}],
    "commonLabels": {"example.com/owner": "platform"},
}
LEAST = {
    "controller": {"replicas": 1, "priorityClassName": ""},
    "webhook": {"enabled": False},
    "agent": {"namespace": "", "priorityClassName": "", "seLinuxOptions": None},
    "monitoring": {"enabled": False},
}
WAYS = [
    pytest.param({}, (), id="defaults"),
    pytest.param(EVERYTHING, ("--api-versions", MONITORING), id="everything"),
    pytest.param(LEAST, (), id="least"),
]


@pytest.fixture(scope="module")
def server(binaries: Binaries, control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """With the kinds of Atoll and of the Prometheus operator."""
    require_tools(binaries)
    before = control_plane.etcd.keys()
    apply_definitions(control_plane)
    for plural, kind in (
        ("servicemonitors", "ServiceMonitor"),
        ("podmonitors", "PodMonitor"),
        ("prometheusrules", "PrometheusRule"),
    ):
        control_plane.kubectl("apply", "-f", "-", input=json.dumps(stub(plural, kind)))
    await_kinds(control_plane, "monitoring.coreos.com", 3)
    make_namespace(control_plane, NAMESPACE, "restricted")
    yield control_plane
    control_plane.reset(before)


def stub(plural: str, kind: str) -> dict[str, object]:
    """A kind of the Prometheus operator that takes everything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": plural[:-1], "kind": kind, "listKind": f"{kind}List"}
    group = MONITORING.partition("/")[0]
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": spec,
    }


@pytest.mark.parametrize(("values", "options"), WAYS)
def test_the_api_server_accepts_every_object(
    server: ControlPlane, values: dict[str, object], options: tuple[str, ...]
) -> None:
    objects = rendered(server, values, *options)
    namespaces = [item for item in objects if item["kind"] == "Namespace"]
    server.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", input=manifest(namespaces))
    accepted = server.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--output=name", "-f", "-"),
        input=manifest(objects),
    )
    assert len(accepted.splitlines()) == len(objects)


def test_an_installation_makes_these_objects(server: ControlPlane) -> None:
    objects = rendered(server)
    assert sorted(f"{item['kind']} {place(item)}" for item in objects) == [
        "ClusterRole atoll-controller",
        "ClusterRole atoll-reader",
        "ClusterRoleBinding atoll-controller",
        "DaemonSet atoll-agents/atoll-agent",
        "Deployment atoll-system/atoll-controller",
        "Namespace atoll-agents",
        "Namespace atoll-nodes",
        "PodDisruptionBudget atoll-system/atoll-controller",
        "ResourceQuota atoll-nodes/no-pods",
        "Role atoll-nodes/atoll-agent",
        "Role atoll-nodes/atoll-controller",
        "Role atoll-system/atoll-controller",
        "RoleBinding atoll-nodes/atoll-agent",
        "RoleBinding atoll-nodes/atoll-controller",
        "RoleBinding atoll-system/atoll-controller",
        "Service atoll-system/atoll-controller",
        "ServiceAccount atoll-agents/atoll-agent",
        "ServiceAccount atoll-system/atoll-controller",
        "ValidatingAdmissionPolicy atoll-agent-token",
        "ValidatingAdmissionPolicy atoll-controller-pods",
        "ValidatingAdmissionPolicy atoll-controller-roles",
        "ValidatingAdmissionPolicy atoll-node-status",
        "ValidatingAdmissionPolicyBinding atoll-agent-token",
        "ValidatingAdmissionPolicyBinding atoll-controller-pods",
        "ValidatingAdmissionPolicyBinding atoll-controller-roles",
        "ValidatingAdmissionPolicyBinding atoll-node-status",
    ]


def place(item: dict[str, dict[str, str]]) -> str:
    metadata = item["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]


def test_everything_adds_these_objects(server: ControlPlane) -> None:
    before = {place(item) + item["kind"] for item in rendered(server)}
    objects = rendered(server, EVERYTHING, "--api-versions", MONITORING)
    added = [item for item in objects if place(item) + item["kind"] not in before]
    assert sorted(f"{item['kind']} {place(item)}" for item in added) == [
        "ConfigMap atoll-system/atoll-dashboard",
        "Ingress atoll-system/atoll-webhook",
        "NetworkPolicy atoll-system/atoll-controller",
        "NetworkSource atoll-system/networks",
        "PodMonitor atoll-agents/atoll-agent",
        "PrometheusRule atoll-system/atoll",
        "ServiceMonitor atoll-system/atoll-controller",
    ]


def test_nothing_is_monitored_where_the_cluster_has_no_monitors(server: ControlPlane) -> None:
    assert [item["kind"] for item in rendered(server, EVERYTHING) if "monitor" in item["apiVersion"]] == []


def test_one_replica_has_no_disruption_budget(server: ControlPlane) -> None:
    assert "PodDisruptionBudget" not in {item["kind"] for item in rendered(server, LEAST)}


def test_the_release_may_have_any_namespace(server: ControlPlane) -> None:
    text = json.dumps(rendered(server, EVERYTHING, "--namespace", "platform", "--api-versions", MONITORING))
    assert NAMESPACE not in text
    assert "system:serviceaccount:platform:atoll-controller" in text


def test_a_digest_counts_more_than_a_tag(server: ControlPlane) -> None:
    controller = container(rendered(server, EVERYTHING), "Deployment", "atoll-controller")
    assert controller["image"] == f"registry.example/atoll-controller@sha256:{'a' * 64}"


def test_the_dashboard_arrives_as_it_is_in_the_checkout(server: ControlPlane) -> None:
    config = named(rendered(server, EVERYTHING), "ConfigMap", "atoll-dashboard")
    file = CHART.parents[1] / "dashboards" / "atoll.json"
    assert json.loads(config["data"]["atoll.json"]) == json.loads(file.read_text(encoding="utf-8"))


def test_an_ingress_without_a_host_is_refused_with_the_remedy(server: ControlPlane) -> None:
    with pytest.raises(CommandRefused, match=r"webhook\.ingress\.host: .* Set it, say hooks\.example\.org"):
        rendered(server, {"webhook": {"ingress": {"enabled": True}}})


def test_a_misspelt_value_is_refused(server: ControlPlane) -> None:
    with pytest.raises(CommandRefused, match="replica"):
        rendered(server, {"controller": {"replica": 3}})


def test_helm_finds_nothing_to_complain_of(server: ControlPlane) -> None:
    assert "0 chart(s) failed" in server.helm("lint", "--strict", str(CHART))


def test_a_package_of_the_chart_holds_definitions_and_dashboard(server: ControlPlane, tmp_path: Path) -> None:
    server.helm("package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.iterdir()
    definitions = server.helm("show", "crds", str(package))
    assert definitions.count("kind: CustomResourceDefinition") == len(list((CHART / "crds").iterdir()))
    assert "networksources.atoll.dev" in definitions


@pytest.mark.parametrize(
    ("command", "kind", "variables"),
    [
        ("controller", "Deployment", {"POD_NAMESPACE": NAMESPACE}),
        ("agent", "DaemonSet", {"NODE_NAME": "worker-1"}),
    ],
)
def test_the_programs_take_their_options(
    server: ControlPlane, command: str, kind: str, variables: dict[str, str]
) -> None:
    pod = container(rendered(server), kind, f"atoll-{command}")
    program, *arguments = pod["args"]
    assert program == command
    assert {variable["name"] for variable in pod["env"]} >= variables.keys()
    for name, value in variables.items():
        arguments = [argument.replace(f"$({name})", value) for argument in arguments]
    click_command = atoll.get_command(click.Context(atoll), command)
    assert click_command is not None
    click_command.make_context(command, arguments)  # raises for every option or value that it does not take


def agent_with(server: ControlPlane, mode: str) -> tuple[list[str], set[str], list[list[str]]]:
    """Its options, what is mounted, and the arguments of what runs before it."""
    objects = rendered(server, {"agent": {"cni": {"mode": mode}}})
    agent = container(objects, "DaemonSet", "atoll-agent")
    pod = named(objects, "DaemonSet", "atoll-agent")["spec"]["template"]["spec"]
    before = [one["args"] for one in pod.get("initContainers", ())]
    return agent["args"], {mount["mountPath"] for mount in agent["volumeMounts"]}, before


def test_the_agent_installs_the_plugin_at_the_hosts_own_paths(server: ControlPlane) -> None:
    options, mounts, before = agent_with(server, "install")
    assert {"--cni-conf=/etc/cni/net.d", "--cni-bin=/opt/cni/bin"} <= set(options)
    assert {"/etc/cni/net.d", "/opt/cni/bin", "/run/atoll", "/var/lib/atoll"} <= mounts
    assert before == []


def test_the_plugin_is_taken_away_before_an_agent_that_does_not_install_it(server: ControlPlane) -> None:
    options, _, before = agent_with(server, "remove")
    assert not any(option.startswith("--cni") for option in options)
    assert before == [["agent", "uninstall-cni", "--cni-conf=/etc/cni/net.d", "--cni-bin=/opt/cni/bin"]]


def test_an_agent_that_is_not_to_install_the_plugin_sees_nothing_of_the_hosts(server: ControlPlane) -> None:
    options, mounts, before = agent_with(server, "none")
    assert not any(option.startswith("--cni") for option in options)
    assert not mounts & {"/etc/cni/net.d", "/opt/cni/bin"}
    assert before == []


def test_the_agent_reads_where_settings_can_be_written(server: ControlPlane) -> None:
    agent = container(rendered(server), "DaemonSet", "atoll-agent")
    (variable,) = (one for one in agent["env"] if "value" in one)
    mounts = {mount["mountPath"]: mount["name"] for mount in agent["volumeMounts"]}
    assert mounts[variable["value"]] == "sysctls"
    command = [sys.executable, "-c", "from agent.sysctls import ROOT; print(ROOT)"]
    environment = {variable["name"]: variable["value"], "PYTHONPATH": str(CHART.parents[2])}
    read = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert read.stdout == "/host/proc/sys/net\n"
