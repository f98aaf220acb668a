"""Inventories as kubectl prints them, in JSON and YAML, whole, partly broken and broken."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network

import pytest
from ruamel.yaml import YAML

from compiler.inventory import (
    Endpoint,
    EndpointSlice,
    Inventory,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
)
from compiler.kubectl import read_inventory
from compiler.names import NodeName
from compiler.objects import PodObject, ServiceObject, Unusable, decode
from tests.compiler.declared import name

AS_PRINTED = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: Node
  metadata:
    annotations:
      volumes.kubernetes.io/controller-managed-attach-detach: "true"
    creationTimestamp: "2025-03-01T08:00:00Z"
    labels:
      kubernetes.io/hostname: node-1
    name: node-1
    resourceVersion: "812"
    uid: 7d3e9a5c-0000-4000-8000-000000000001
  spec:
    podCIDR: 10.244.1.0/24
    podCIDRs:
    - 10.244.1.0/24
    - fd00:244:0:1::/64
  status:
    addresses:
    - address: 203.0.113.5
      type: ExternalIP
    - address: 192.0.2.11
      type: InternalIP
    - address: 2001:db8::11
      type: InternalIP
    - address: node-1
      type: Hostname
    capacity:
      cpu: "8"
- apiVersion: v1
  kind: Namespace
  metadata:
    annotations:
      atoll.dev/network: red
    labels:
      kubernetes.io/metadata.name: team-a
      team: a
    name: team-a
    uid: 7d3e9a5c-0000-4000-8000-000000000002
  spec:
    finalizers:
    - kubernetes
  status:
    phase: Active
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      net.juniper.contrail.podnetwork: team-b/blue
    labels:
      app: web
    name: web-7c5ddbdf54-2x8kq
    namespace: team-a
    uid: 7d3e9a5c-0000-4000-8000-000000000003
  spec:
    containers:
    - image: registry.example.com/web:1
      name: web
      ports:
      - containerPort: 8080
        name: http
        protocol: TCP
    nodeName: node-1
  status:
    phase: Running
    podIP: 10.1.0.5
    podIPs:
    - ip: 10.1.0.5
    - ip: fd00:1::5
- apiVersion: v1
  kind: Pod
  metadata:
    name: pending
    namespace: team-a
    uid: 7d3e9a5c-0000-4000-8000-000000000004
  spec:
    containers: []
  status:
    phase: Pending
- apiVersion: v1
  kind: Pod
  metadata:
    name: done
    namespace: team-a
  spec:
    nodeName: node-1
  status:
    phase: Succeeded
    podIP: 10.1.0.9
- apiVersion: v1
  kind: Pod
  metadata:
    name: kube-proxy
    namespace: kube-system
  spec:
    hostNetwork: true
    nodeName: node-1
  status:
    phase: Running
    podIP: 192.0.2.11
- apiVersion: v1
  kind: Service
  metadata:
    name: web
    namespace: team-a
  spec:
    clusterIP: 10.96.0.20
    clusterIPs:
    - 10.96.0.20
    - fd00:96::20
    externalIPs:
    - 198.51.100.20
    internalTrafficPolicy: Local
    ports:
    - name: http
      nodePort: 30080
      port: 80
      protocol: TCP
      targetPort: http
    - name: dns
      port: 53
      protocol: UDP
      targetPort: 5353
    selector:
      app: web
    sessionAffinity: ClientIP
    type: LoadBalancer
  status:
    loadBalancer:
      ingress:
      - ip: 203.0.113.20
        ipMode: VIP
      - ip: 203.0.113.21
        ipMode: Proxy
      - hostname: lb.example.com
- apiVersion: v1
  kind: Service
  metadata:
    name: headless
    namespace: team-a
  spec:
    clusterIP: None
    clusterIPs:
    - None
    internalTrafficPolicy: Cluster
    ports:
    - port: 5432
      protocol: TCP
    sessionAffinity: None
    type: ClusterIP
  status:
    loadBalancer: {}
- apiVersion: v1
  kind: Service
  metadata:
    name: elsewhere
    namespace: team-a
  spec:
    externalName: db.example.com
    type: ExternalName
- addressType: IPv4
  apiVersion: discovery.k8s.io/v1
  endpoints:
  - addresses:
    - 10.1.0.5
    conditions:
      ready: true
      serving: true
      terminating: false
    nodeName: node-1
    targetRef:
      kind: Pod
      name: web-7c5ddbdf54-2x8kq
      namespace: team-a
  - addresses:
    - 10.1.0.6
    conditions:
      ready: false
      serving: true
      terminating: true
  - addresses:
    - 10.1.0.7
  kind: EndpointSlice
  metadata:
    labels:
      endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
      kubernetes.io/service-name: web
    name: web-abcde
    namespace: team-a
  ports:
  - name: http
    port: 8080
    protocol: TCP
  - name: all
kind: List
metadata:
  resourceVersion: ""
"""

EXPECTED = Inventory(
    nodes={
        NodeName("node-1"): Node(
            name=NodeName("node-1"),
            addresses=(ip_address("192.0.2.11"), ip_address("2001:db8::11"), ip_address("203.0.113.5")),
            external=frozenset({ip_address("203.0.113.5")}),
            pod_ranges=(ip_network("10.244.1.0/24"), ip_network("fd00:244:0:1::/64")),
        )
    },
    namespaces={
        "team-a": Namespace(
            name="team-a",
            labels={"kubernetes.io/metadata.name": "team-a", "team": "a"},
            network="red",
        )
    },
    pods={
        name("team-a/web-7c5ddbdf54-2x8kq"): Pod(
            name=name("team-a/web-7c5ddbdf54-2x8kq"),
            uid="7d3e9a5c-0000-4000-8000-000000000003",
            node=NodeName("node-1"),
            network="team-b/blue",
            addresses=(ip_address("10.1.0.5"), ip_address("fd00:1::5")),
        ),
        name("team-a/pending"): Pod(
            name=name("team-a/pending"), uid="7d3e9a5c-0000-4000-8000-000000000004", node=None
        ),
    },
    services={
        name("team-a/web"): Service(
            name=name("team-a/web"),
            cluster_addresses=(ip_address("10.96.0.20"), ip_address("fd00:96::20")),
            external_addresses=(ip_address("198.51.100.20"), ip_address("203.0.113.20")),
            ports=(
                ServicePort(name="http", protocol="TCP", port=80, node_port=30080),
                ServicePort(name="dns", protocol="UDP", port=53),
            ),
            client_affinity=True,
            internal_local=True,
        ),
        name("team-a/headless"): Service(
            name=name("team-a/headless"),
            cluster_addresses=(),
            ports=(ServicePort(name="", protocol="TCP", port=5432),),
        ),
    },
    slices={
        name("team-a/web-abcde"): EndpointSlice(
            name=name("team-a/web-abcde"),
            service=name("team-a/web"),
            ports=(("http", "TCP", 8080),),
            endpoints=(
                Endpoint(
                    addresses=(ip_address("10.1.0.5"),),
                    node=NodeName("node-1"),
                    pod=name("team-a/web-7c5ddbdf54-2x8kq"),
                    ready=True,
                    serving=True,
                    terminating=False,
                ),
                Endpoint(
                    addresses=(ip_address("10.1.0.6"),),
                    node=None,
                    pod=None,
                    ready=False,
                    serving=True,
                    terminating=True,
                ),
                Endpoint(
                    addresses=(ip_address("10.1.0.7"),),
                    node=None,
                    pod=None,
                    ready=True,
                    serving=True,
                    terminating=False,
                ),
            ),
        )
    },
)


def in_json(*items: object, kind: str = "List", api_version: str = "v1") -> bytes:
    return json.dumps({"apiVersion": api_version, "items": items, "kind": kind}, indent=4).encode()


def pod(text: str, **spec: object) -> dict[str, object]:
    one = name(text)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": one.name, "namespace": one.namespace},
        "spec": spec,
    }


def test_what_kubectl_prints_as_yaml_is_read_unchanged() -> None:
    assert read_inventory(AS_PRINTED.encode()) == (EXPECTED, ())


def test_what_kubectl_prints_as_json_gives_the_same_inventory() -> None:
    text = json.dumps(YAML(typ="safe").load(AS_PRINTED), indent=4).encode()
    assert read_inventory(text) == (EXPECTED, ())


def test_a_stream_of_documents_is_read_as_one_inventory() -> None:
    text = (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
        "---\n---\n"
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: b}\n"
    )
    inventory, problems = read_inventory(text.encode())
    assert (list(inventory.namespaces), problems) == (["a", "b"], ())


def test_a_list_of_one_kind_need_not_repeat_it_in_its_items() -> None:
    one = {"metadata": {"name": "web", "namespace": "team-a"}}
    for text in (
        in_json(one, kind="PodList"),
        b"apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: web, namespace: team-a}\n",
    ):
        inventory, problems = read_inventory(text)
        assert (list(inventory.pods), problems) == ([name("team-a/web")], ())


def test_a_single_object_and_a_byte_order_mark_are_read() -> None:
    inventory, problems = read_inventory(b"\xef\xbb\xbf" + json.dumps(pod("team-a/web")).encode())
    assert (list(inventory.pods), problems) == ([name("team-a/web")], ())


def test_other_kinds_and_other_groups_are_passed_over() -> None:
    knative = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "x"}}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}
    inventory, problems = read_inventory(in_json(knative, config_map, pod("team-a/web")))
    assert (list(inventory.pods), inventory.services, problems) == ([name("team-a/web")], {}, ())


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (7, "items[1]: it has no kind"),
        ({"apiVersion": "v1", "kind": "Pod"}, "items[1] Pod: Object missing required field `metadata`"),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 7}},
            "items[1] Pod: Expected `str`, got `int` - at `$.metadata.name`",
        ),
        (
            pod("team-a/web", nodeName=["x"]),
            "items[1] Pod team-a/web: Expected `str | null`, got `array` - at `$.spec.nodeName`",
        ),
        (
            pod("team-a/web", nodeName="node;1"),
            "items[1] Pod team-a/web: its spec.nodeName 'node;1' is not an RFC 1123 name",
        ),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "../x"}},
            "items[1] Pod web: its metadata.namespace '../x' is not an RFC 1123 label",
        ),
        (
            pod("team-a/web") | {"status": {"podIPs": [{"ip": "fe80::1%eth0; drop"}]}},
            "items[1] Pod team-a/web: 'fe80::1%eth0; drop' has a zone, which has no meaning outside its host",
        ),
        (
            pod("team-a/web") | {"status": {"podIP": "10.0.0"}},
            "items[1] Pod team-a/web: '10.0.0' is not an IP address",
        ),
        (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a.b"}},
            "items[1] Namespace a.b: its metadata.name 'a.b' is not a namespace's name (RFC 1123 label)",
        ),
        (
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": "n"},
                "spec": {"podCIDR": "10.0.0.1/8"},
            },
            "items[1] Node n: its spec.podCIDRs are not ranges: 10.0.0.1/8 has host bits set",
        ),
        (
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "s", "namespace": "a"},
                "spec": {"ports": [{"port": 70000}]},
            },
            "items[1] Service a/s: Expected `int` <= 65535 - at `$.spec.ports[0].port`",
        ),
        (
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "s", "namespace": "a"},
                "spec": {"ports": [{"port": 1, "protocol": "ICMP"}]},
            },
            "items[1] Service a/s: Invalid enum value 'ICMP' - at `$.spec.ports[0].protocol`",
        ),
        (
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": "s", "namespace": "a", "labels": {"kubernetes.io/service-name": "A"}},
                "addressType": "IPv4",
            },
            "items[1] EndpointSlice a/s: its label kubernetes.io/service-name 'A' is no Service's name",
        ),
    ],
)
def test_one_broken_item_is_one_warning_and_stops_no_other(broken: object, said: str) -> None:
    as_json = in_json(pod("team-a/before"), broken, pod("team-a/after"))
    for text in (as_json, b"# as YAML, of which JSON is a part\n" + as_json):
        inventory, problems = read_inventory(text, path="cluster.json")
        assert list(inventory.pods) == [name("team-a/before"), name("team-a/after")]
        assert [str(problem) for problem in problems] == [
            f"cluster.json: warning ATL702: {said}. "
            "Look at the object in the cluster, and take the inventory again."
        ]


def test_names_are_as_long_as_kubernetes_lets_them_be() -> None:
    long = "kube-controller-manager-" + "n" * 229
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": long, "namespace": "a", "uid": "1"}}
    inventory, found = read_inventory(json.dumps(pod).encode())
    assert (list(inventory.pods), found) == ([name(f"a/{long}")], ())


def test_an_object_that_is_not_utf8_is_one_warning() -> None:
    text = in_json(pod("team-a/before"), pod("team-a/web"), pod("team-a/after")).replace(b"web", b"w\xffb")
    inventory, problems = read_inventory(text)
    assert list(inventory.pods) == [name("team-a/before"), name("team-a/after")]
    assert [problem.subject for problem in problems] == ["items[1] Pod"]


def test_an_object_listed_twice_is_a_warning_and_the_first_counts() -> None:
    inventory, problems = read_inventory(in_json(pod("a/web", nodeName="n1"), pod("a/web", nodeName="n2")))
    assert inventory.pods[name("a/web")].node == "n1"
    assert [problem.reason for problem in problems] == ["the inventory holds it twice; the first one is used"]


@pytest.mark.parametrize(
    ("text", "place"),
    [(b'{"kind": "List",\n "items": [', "2:12"), (b"kind: List\nitems:\n- {kind: Pod", "3:13")],
)
def test_an_inventory_that_is_cut_short_is_told_as_such(text: bytes, place: str) -> None:
    inventory, problems = read_inventory(text, path="inventory.yaml")
    assert inventory == Inventory()
    assert [str(problem) for problem in problems] == [
        f"inventory.yaml:{place}: error ATL701: inventory.yaml: the file ends in the middle. "
        "Run kubectl again, and look whether it finishes without an error."
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "inventory.yaml: error ATL701: inventory.yaml: it holds no object"),
        (
            b'{"kind": "List", "items": []}',
            "inventory.yaml: error ATL701: inventory.yaml: it holds no object",
        ),
        (
            b'{"kind": "List",\n "items": [\n  {"kind": "Pod", x}]}',
            "inventory.yaml:3:19: error ATL701: inventory.yaml: it is not JSON: expected '\"'",
        ),
        (
            b'{"items": {"a": 1}}',
            "inventory.yaml: error ATL701: inventory.yaml: it is no list of objects: "
            "Expected `array | null`, got `object` - at `$.items`",
        ),
        (
            b"kind: List\nitems:\n- {kind: Pod\n  ]\n",
            "inventory.yaml:4:3: error ATL701: inventory.yaml: it is not YAML: "
            "expected ',' or '}', but got ']'",
        ),
        (
            b"The connection to the server was refused",
            "inventory.yaml: error ATL701: inventory.yaml: document 1 is no object",
        ),
        (
            "kind: é\nx: é\x00".encode(),
            "inventory.yaml:2:5: error ATL701: inventory.yaml: it is not YAML: "
            "special characters are not allowed",
        ),
        (
            b"kind: List\nx: \xff",
            "inventory.yaml:2:4: error ATL701: inventory.yaml: it is not UTF-8",
        ),
    ],
)
def test_a_text_that_is_no_inventory_is_one_error_with_its_place(text: bytes, said: str) -> None:
    inventory, problems = read_inventory(text, path="inventory.yaml")
    assert inventory == Inventory()
    assert [str(problem) for problem in problems] == [f"{said}. Take the inventory again."]


@pytest.mark.parametrize("text", [b'{"kind": ' + b"[" * 100_000, b"[" * 100_000])
def test_nesting_without_end_is_an_error_and_no_crash(text: bytes) -> None:
    inventory, problems = read_inventory(text)
    assert inventory == Inventory()
    assert [problem.code for problem in problems] == ["ATL701"]


def test_a_watch_decodes_its_objects_one_by_one_into_the_same_values() -> None:
    event = json.dumps(pod("team-a/web", nodeName="node-1")).encode()
    assert decode(PodObject, event) == Pod(name=name("team-a/web"), uid="", node=NodeName("node-1"))
    assert decode(PodObject, json.dumps(pod("team-a/web", hostNetwork=True)).encode()) is None
    with pytest.raises(Unusable, match="Object missing required field `metadata`"):
        decode(ServiceObject, b"{}")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, (True, True, False)),
        ({"ready": None, "serving": None, "terminating": None}, (True, True, False)),
        ({"ready": False}, (False, True, False)),
        ({"ready": False, "serving": False}, (False, False, False)),
        ({"ready": False, "terminating": True}, (False, True, True)),
    ],
)
def test_absent_conditions_mean_ready_serving_and_not_terminating(
    conditions: dict[str, object], expected: tuple[bool, bool, bool]
) -> None:
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "s", "namespace": "a", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv6",
        "endpoints": [{"addresses": ["fd00::1"], "conditions": conditions}],
    }
    inventory, _ = read_inventory(in_json(slice_))
    (one,) = inventory.slices[name("a/s")].endpoints
    assert (one.ready, one.serving, one.terminating) == expected


@pytest.mark.parametrize(
    "metadata",
    [{"name": "s", "namespace": "a"}, {"name": "s", "namespace": "a", "labels": {"other": "x"}}],
)
def test_slices_of_no_service_and_slices_of_names_do_not_count(metadata: dict[str, object]) -> None:
    orphan = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
    }
    names = orphan | {
        "metadata": {"name": "t", "namespace": "a", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "FQDN",
        "endpoints": [{"addresses": ["db.example.com"]}],
    }
    inventory, problems = read_inventory(in_json(orphan, names))
    assert (inventory.slices, problems) == ({}, ())
