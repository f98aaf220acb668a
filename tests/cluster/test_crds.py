"""What the real API server accepts and refuses is what the compiler does, but for what only one can know.

Each object is judged twice: by the parser of repositories (NetworkSource: by its JSON Schema), and by
the server's dry run of its creation. The differences that must be are listed, and tested as such.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

import schemas
from cli.lab.control_plane import ControlPlane
from cli.lab.definitions import install
from compiler.parse import parse
from compiler.problem import Severity
from kube import kinds
from kube.api import ApiError, Invalid, ObjectRef
from kube.client import ClusterApi
from kube.connection import connect
from kube.resource import Resource
from schemas import duration
from tests.compiler.repository import CLUSTER

Spec = Mapping[str, object]
RESOURCES: Mapping[str, Resource] = {
    resource.kind: resource
    for resource in (
        kinds.VIRTUAL_NETWORKS,
        kinds.VIRTUAL_NETWORK_ROUTERS,
        kinds.CLUSTER_CONFIGS,
        kinds.NETWORK_SOURCES,
        kinds.NODE_NETWORKS,
        kinds.NODE_NETWORK_PARTS,
    )
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An object of which nobody knows yet whether it is good."""

    kind: str
    spec: Spec
    name: str = "candidate"

    @property
    def body(self) -> dict[str, object]:
        metadata = {"name": self.name}
        if self.ref.namespace:
            metadata["namespace"] = self.ref.namespace
        return {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": self.kind,
            "metadata": metadata,
            "spec": self.spec,
        }

    @property
    def ref(self) -> ObjectRef:
        resource = RESOURCES[self.kind]
        return ObjectRef(
            resource=resource, name=self.name, namespace="default" if resource.namespaced else ""
        )

    @property
    def path(self) -> str:
        """Of the collection."""
        return self.ref.resource.path(self.ref.namespace)


def network(**more: object) -> Candidate:
    return Candidate(kind="VirtualNetwork", spec={"subnets": ["10.1.0.0/24"], **more})


def router(**more: object) -> Candidate:
    return Candidate(kind="VirtualNetworkRouter", spec={"type": "mesh", "virtualNetworkSelector": {}, **more})


def config(**more: object) -> Candidate:
    ranges = {
        "podRanges": ["10.244.0.0/16"],
        "serviceRanges": ["10.96.0.0/16"],
        "nodeRanges": ["192.168.0.0/24"],
    }
    return Candidate(kind="ClusterConfig", spec={**ranges, **more})


def source(**more: object) -> Candidate:
    return Candidate(kind="NetworkSource", spec={"url": "https://git.example.org/networks.git", **more})


@pytest.fixture(scope="module")
def server(control_plane: ControlPlane) -> ClusterApi:
    """Atoll's kinds are served. Nothing is ever created: the dry run judges."""
    api = ClusterApi.of(connect(control_plane.kubeconfig))
    install(api, schemas.crds())
    return api


# --- the two judges ---

_SourceValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {duration.KEYWORD: duration.bounded}
)


def compiler_refuses(candidate: Candidate) -> list[str]:
    """What is wrong with the object as a file of a repository; nothing, if it is good."""
    if candidate.kind == "NetworkSource":
        validator = _SourceValidator(schemas.json_schema(schemas.ATOLL_GROUP, "NetworkSource"))
        return [error.message for error in validator.iter_errors(candidate.body)]
    files = {"candidate.json": json.dumps(candidate.body).encode()}
    if candidate.kind != "ClusterConfig":
        files["cluster.yaml"] = CLUSTER.encode()
    problems = parse(files, revision="").problems
    return [str(problem) for problem in problems if problem.severity is Severity.ERROR]


def server_refuses(server: ClusterApi, candidate: Candidate) -> list[str]:
    """The server's words, each with the field in front; nothing, if it would create the object."""
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    try:
        server.request_raw("POST", candidate.path, query, body=candidate.body)
    except Invalid as refusal:
        return [f"{cause.field}: {cause.message}" for cause in refusal.causes]
    except ApiError as refusal:
        return [refusal.message]
    return []


# --- accepted by both ---

EVERY_SELECTOR: Spec = {
    "matchLabels": {"team": "a", "example.org/tier": ""},
    "matchExpressions": [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "NotIn", "values": ["x"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist", "values": []},
    ],
}
ACCEPTED = [
    network(),
    network(subnets=["10.0.0.0/10", "172.16.0.0/28", "fd00::/48", "fd01::/122"]),
    network(subnets=["FD00:0::/64"]),
    network(egress="snat", infrastructure={}, allowedNamespaces={}),
    network(infrastructure={"services": []}),
    network(infrastructure={"services": ["dns", "monitoring/prometheus"]}, allowedNamespaces=EVERY_SELECTOR),
    Candidate(kind="VirtualNetwork", spec={"subnets": ["10.1.0.0/24"]}, name="a.b-" + "c" * 59),
    router(),
    router(type="hub", virtualNetworkSelector=EVERY_SELECTOR),
    router(type="spoke", **{"import": {}}),
    router(**{"import": {"virtualNetworkRouters": [
        {"virtualNetworkRouterSelector": EVERY_SELECTOR, "namespaceSelector": EVERY_SELECTOR},
        {"virtualNetworkRouterSelector": {}},
    ]}}),
    config(),
    config(podRanges=["10.244.0.0/16", "fd00:10:244::/56"], limits={}, confirmDeletionOf=["a/b", "a/b"]),
    config(mtu=1500.0, vxlanPort=65535, numberBase=256, blockSizeV4=30, blockSizeV6=96),
    config(hostLinksV4="100.64.0.0/10", hostLinksV6="fd41::/16", limits={"maxDeletedShare": 1}),
    config(dns={"service": "a/b"}, api={"addresses": ["192.168.0.9", "fd00::9"],
                                        "ports": [{"protocol": "TCP", "port": 6443}]}),
    config(dns={"addresses": ["169.254.20.10"],
                "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}),
    source(),
    source(url="ssh://git@git.example.org:2222/a/b.git", ref={"branch": "release/1.x"}),
    source(url="git@git.example.org:a/b.git", ref={"tag": "v1.0"}, path="clusters/east.1"),
    source(url="https://token@git.example.org", ref={"commit": "0" * 40}, path="", suspend=True),
    source(interval="5s", timeout="15m", secretRef={"name": "git"}, webhook={"secretRef": {"name": "hook"}}),
    source(interval="1h30m0s500ms", timeout="5000ms", rollout={}),
    source(interval="24h", verify={"mode": "gpg", "keysFrom": {"kind": "Secret", "name": "keys"}}),
    source(verify={"mode": "ssh", "keysFrom": {"kind": "ConfigMap", "name": "keys"}}),
    source(rollout={"canary": {"count": 2, "nodeSelector": EVERY_SELECTOR}, "share": "100%"}),
    source(rollout={"canary": {"count": 0}, "share": 3, "readyTimeout": "90s"}),
]  # fmt: skip


@pytest.mark.parametrize("candidate", ACCEPTED, ids=str)
def test_both_accept(server: ClusterApi, candidate: Candidate) -> None:
    assert compiler_refuses(candidate) == []
    assert server_refuses(server, candidate) == []


EXAMPLES = [
    Candidate(kind=kind, spec=example["spec"], name=example["metadata"]["name"])
    for kind in (*schemas.kinds(schemas.ATOLL_GROUP), "NetworkSource")
    for example in schemas.json_schema(schemas.ATOLL_GROUP, kind)["examples"]
]


@pytest.mark.parametrize("candidate", EXAMPLES, ids=str)
def test_the_server_accepts_the_examples_of_the_json_schemas(
    server: ClusterApi, candidate: Candidate
) -> None:
    assert server_refuses(server, candidate) == []


# --- refused by both ---

LABEL = "write `name` or `prefix/name`"
SERVICE = "is not `dns`, `api` or the `namespace/service` of a Service"
PORT = {"protocol": "UDP", "port": 53}
ONE_REF = "spec.ref: Invalid value: must name exactly one of `branch`, `tag` and `commit`"
NOT_A_RANGE = (
    "is not a range in CIDR notation; write a network address and a prefix length, such as 10.1.0.0/24"
)
APART = "which hosts treat apart"

REFUSED = [
    (network(subnets=[]), "spec.subnets: Invalid value: 0"),
    (Candidate(kind="VirtualNetwork", spec={}), "spec.subnets: Required value"),
    (network(subnets=["10.1.0.0"]), f'spec.subnets[0]: Invalid value: "10.1.0.0": {NOT_A_RANGE}'),
    (network(subnets=["10.1.0.0/024"]), NOT_A_RANGE),
    (network(subnets=["010.1.0.0/24"]), NOT_A_RANGE),
    (network(subnets=["10.1.0.0/33"]), NOT_A_RANGE),
    (network(subnets=["fe80::%eth0/64"]), NOT_A_RANGE),
    (network(subnets=["fd00::/64", "10.1.0.7/24"]), "has bits set beyond its first 24; write 10.1.0.0/24"),
    (network(subnets=["fd00::1/64"]), "has bits set beyond its first 64; write fd00::/64"),
    (network(subnets=["11.0.0.0/7"]), "has bits set beyond"),
    (network(subnets=["10.0.0.0/7"]), "has prefix length 7; write 8 to 30"),
    (network(subnets=["10.0.0.0/31"]), "has prefix length 31; write 8 to 30"),
    (network(subnets=["fd00::/47"]), "has prefix length 47; write 48 to 124"),
    (network(subnets=["fd00::/125"]), "has prefix length 125; write 48 to 124"),
    (network(subnets=["127.1.0.0/16"]), f"overlaps 127.0.0.0/8, {APART}"),
    (network(subnets=["169.254.0.0/24"]), f"overlaps 169.254.0.0/16, {APART}"),
    (network(subnets=["240.0.0.0/8"]), f"overlaps 240.0.0.0/4, {APART}"),
    (network(subnets=["fe80::/64"]), f"overlaps fe80::/10, {APART}"),
    (network(subnets=["::ffff:0:0/96"]), "spec.subnets[0]"),
    (network(subnets=["10.1.0.0/24", "10.1.0.0/24"]), "spec.subnets: Invalid value: 10.1.0.0/24 overlaps"),
    (network(subnets=["10.1.0.0/16", "10.1.7.0/24"]), "spec.subnets: Invalid value: 10.1.7.0/24 overlaps"),
    (network(subnets=["fd00::/64", "FD00:0::/64"]), "overlaps another entry"),
    (network(subnets="10.1.0.0/24"), "must be of type array"),
    (network(subnets=[7]), "must be of type string"),
    (network(subnets=[f"10.{n}.0.0/24" for n in range(65)]), "spec.subnets: Too many"),
    (network(allowedNamespaces={"matchLabels": {f"label-{n}": "" for n in range(257)}}), "Too many"),
    (network(egress="nat"), 'spec.egress: Unsupported value: "nat": supported values: "none", "snat"'),
    (network(egres="snat"), 'unknown field "spec.egres"'),
    (network(infrastructure={"services": ["DNS"]}), f'services[0]: Invalid value: "DNS": {SERVICE}'),
    (network(infrastructure={"services": ["a/b/c"]}), SERVICE),
    (network(infrastructure={"services": ["dns", "dns"]}), "has an entry twice; leave out one of them"),
    (network(allowedNamespaces={"matchExpressions": [{"key": "a", "operator": "In"}]}),
     "matchExpressions[0].values: Required value: In compares with values; add at least one"),
    (network(allowedNamespaces={"matchExpressions": [{"key": "a", "operator": "NotIn", "values": []}]}),
     "NotIn compares with values"),
    (network(allowedNamespaces={"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}),
     "matchExpressions[0].values: Forbidden: Exists compares with nothing; remove the values"),
    (network(allowedNamespaces={"matchExpressions": [{"key": "a", "operator": "Is"}]}), "Unsupported value"),
    (network(allowedNamespaces={"matchExpressions": [{"key": "-a", "operator": "Exists"}]}), ".key: Invalid"),
    (network(allowedNamespaces={"matchExpressions": [{"operator": "Exists"}]}), ".key: Required value"),
    (network(allowedNamespaces={"matchLabels": {"-a": "b"}}), f"-a is not a label key; {LABEL}"),
    (network(allowedNamespaces={"matchLabels": {"a": "b c"}}), "matchLabels.a: Invalid value"),
    (network(allowedNamespaces={"labels": {}}), 'unknown field "spec.allowedNamespaces.labels"'),
    (Candidate(kind="VirtualNetwork", spec={"subnets": ["10.1.0.0/24"]}, name="a" * 64),
     "metadata.name: Invalid value: has more than 63 characters; write a shorter name"),
    (Candidate(kind="VirtualNetwork", spec={"subnets": ["10.1.0.0/24"]}, name="A"), "RFC 1123"),
    (router(type="ring"), 'spec.type: Unsupported value: "ring": supported values: "mesh", "hub", "spoke"'),
    (Candidate(kind="VirtualNetworkRouter", spec={"type": "mesh"}), "virtualNetworkSelector: Required value"),
    (Candidate(kind="VirtualNetworkRouter", spec={"virtualNetworkSelector": {}}), "spec.type: Required"),
    (router(**{"import": {"virtualNetworkRouters": [{}]}}),
     "spec.import.virtualNetworkRouters[0].virtualNetworkRouterSelector: Required value"),
    (router(**{"import": {"virtualNetworkRouters": [{"virtualNetworkRouterSelector": {
        "matchExpressions": [{"key": "a", "operator": "DoesNotExist", "values": ["x"]}]}}]}}),
     "DoesNotExist compares with nothing"),
    (router(**{"import": {"routers": []}}), 'unknown field "spec.import.routers"'),
    (config(podRanges=[]), "spec.podRanges: Invalid value: 0"),
    (config(podRanges=["10.244.0.1/16"]), "write 10.244.0.0/16"),
    (config(podRanges=["10.244.0.0/16", "10.244.0.0/16"]), "10.244.0.0/16 overlaps another entry"),
    (config(podRanges=["10.244.0.0/16", "10.244.9.0/24"]), "10.244.9.0/24 overlaps another entry"),
    (config(serviceRanges=["10.244.1.0/24"]), "serviceRanges: Invalid value: a service range overlaps a pod"),
    (config(nodeRanges=["10.0.0.0/8"]), "spec.nodeRanges: Invalid value: a node range overlaps a pod range"),
    (config(nodeRanges=["10.96.8.0/24"]), "a node range overlaps a service range"),
    (config(nodeRanges=["100.65.0.0/24"]), "spec.hostLinksV4: Invalid value: overlaps a node range"),
    (config(podRanges=["fd41:746f:6c6c::/120"]), "spec.hostLinksV6: Invalid value: overlaps a pod range"),
    (config(hostLinksV4="100.64.0.0/16"), "must be an IPv4 range of /15 or shorter"),
    (config(hostLinksV4="fd00::/16"), "must be an IPv4 range"),
    (config(hostLinksV6="fd00::/112"), "must be an IPv6 range of /111 or shorter"),
    (config(dns={}), "spec.dns: Required value: is empty; write a `service`, or `addresses` with `ports`"),
    (config(dns={"addresses": ["169.254.20.10"]}), "spec.dns.ports: Required value: is missing beside"),
    (config(dns={"ports": [PORT]}), "spec.dns.addresses: Required value: is missing beside `ports`"),
    (config(dns={"addresses": [], "ports": [PORT]}), "spec.dns.addresses: Invalid value: 0"),
    (config(dns={"service": "kube-dns"}), "is not the `namespace/service` of a Service"),
    (config(api={"addresses": ["10.96.0.1"], "ports": [PORT]}),
     "spec.api.addresses: Invalid value: has an address of `serviceRanges`, where nobody listens"),
    (config(api={"addresses": ["10.0.0.0/8"], "ports": [PORT]}), "is not an address; write an IPv4 or IPv6"),
    (config(api={"addresses": ["127.0.0.1"], "ports": [PORT]}), "is an address that hosts treat apart"),
    (config(api={"addresses": ["fe80::1"], "ports": [PORT]}), "is an address that hosts treat apart"),
    (config(api={"addresses": ["10.0.0.1"], "ports": [PORT, PORT]}), "has an entry twice"),
    (config(api={"addresses": ["10.0.0.1", "10.0.0.1"], "ports": [PORT]}), "has an entry twice"),
    (config(api={"addresses": ["10.0.0.1"], "ports": [{"protocol": "ICMP", "port": 1}]}), "Unsupported"),
    (config(mtu=1349), "greater than or equal to 1350"),
    (config(mtu="1500"), "must be of type integer"),
    (config(mtu=1500.5), "must be of type integer"),
    (config(numberBase=16711682), "less than or equal to 16711681"),
    (config(limits={"maxDeletedShare": 1.1}), "less than or equal to 1"),
    (config(confirmDeletionOf=["red"]), "spec.confirmDeletionOf[0]: Invalid value"),
    (Candidate(kind="NetworkSource", spec={}), "spec.url: Required value"),
    (source(url=""), "is not a repository that may be fetched; write https://host/path"),
    (source(url="http://git.example.org/a"), "is not a repository that may be fetched"),
    (source(url="file:///srv/git"), "is not a repository that may be fetched"),
    (source(url="/srv/git"), "is not a repository that may be fetched"),
    (source(url="ext::sh -c true"), "is not a repository that may be fetched"),
    (source(url="--upload-pack=true"), "is not a repository that may be fetched"),
    (source(url="-oProxyCommand=true:a"), "is not a repository that may be fetched"),
    (source(url="ssh://-oProxyCommand=true/a"), "is not a repository that may be fetched"),
    (source(url="https://user:secret@git.example.org/a"),
     "holds a password, which process lists would show; write it into the Secret that `secretRef` names"),
    (source(ref={}), ONE_REF),
    (source(ref={"branch": "main", "tag": "v1"}), ONE_REF),
    (source(ref={"branch": "-main"}), "is not the name of a branch that Git accepts"),
    (source(ref={"branch": "a..b"}), "is not the name of a branch that Git accepts"),
    (source(ref={"tag": "a.lock"}), "is not the name of a tag that Git accepts"),
    (source(ref={"tag": "a b"}), "is not the name of a tag that Git accepts"),
    (source(ref={"commit": "abc123"}), "is not a whole commit; write all 40 hexadecimal digits"),
    (source(path="/clusters"), "is not a directory of the repository"),
    (source(path="a/../b"), "is not a directory of the repository"),
    (source(path="./a"), "is not a directory of the repository"),
    (source(path="a//b"), "is not a directory of the repository"),
    (source(interval="4999ms"), "must be a duration of 5s to 24h; write whole numbers with units"),
    (source(interval="24h1ms"), "must be a duration of 5s to 24h"),
    (source(interval="60"), "must be a duration"),
    (source(interval=""), "must be a duration"),
    (source(interval="1.5m"), "must be a duration"),
    (source(interval="1s1m"), "must be a duration"),
    (source(interval="-1m"), "must be a duration"),
    (source(interval=60), "must be of type string"),
    (source(timeout="16m"), "must be a duration of 5s to 15m"),
    (source(secretRef={}), "spec.secretRef.name: Required value"),
    (source(secretRef={"name": "A b"}), "is not the name of an object"),
    (source(suspend="yes"), "must be of type boolean"),
    (source(verify={"mode": "ssh"}), "spec.verify.keysFrom: Required value"),
    (source(verify={"mode": "x509", "keysFrom": {"kind": "Secret", "name": "a"}}), "spec.verify.mode"),
    (source(verify={"mode": "ssh", "keysFrom": {"kind": "Pod", "name": "a"}}), "spec.verify.keysFrom.kind"),
    (source(webhook={}), "spec.webhook.secretRef: Required value"),
    (source(rollout={"share": "0%"}), "must be a percentage or a number of nodes; write 1% to 100%"),
    (source(rollout={"share": "101%"}), "must be a percentage or a number of nodes"),
    (source(rollout={"share": "half"}), "must be a percentage or a number of nodes"),
    (source(rollout={"share": 0}), "must be a percentage or a number of nodes"),
    (source(rollout={"share": True}), "must be of type integer"),
    (source(rollout={"canary": {"count": -1}}), "spec.rollout.canary.count: Invalid value"),
    (source(rollout={"readyTimeout": "1s"}), "must be a duration of 5s to 24h"),
]  # fmt: skip


@pytest.mark.parametrize(("candidate", "words"), REFUSED, ids=lambda part: str(part)[:120])
def test_both_refuse_and_the_server_says_why(server: ClusterApi, candidate: Candidate, words: str) -> None:
    assert compiler_refuses(candidate)
    said = server_refuses(server, candidate)
    assert any(words in reason for reason in said), said


# --- what only one of them can know ---

LEFT_TO_THE_COMPILER = [
    (network(subnets=["10.244.1.0/24"]), "overlaps the pod range"),
    (network(subnets=["10.1.0.0/30"]), "is smaller than a block"),
    # The server takes a null for an absent field where the field has a default.
    (network(egress=None), "`spec.egress` is empty"),
]


@pytest.mark.parametrize(("candidate", "words"), LEFT_TO_THE_COMPILER, ids=lambda part: str(part)[:120])
def test_only_the_compiler_refuses(server: ClusterApi, candidate: Candidate, words: str) -> None:
    assert any(words in problem for problem in compiler_refuses(candidate))
    assert server_refuses(server, candidate) == []


# --- objects nobody wrote down ---

SUBNETS = (
    "10.1.0.0/24", "10.1.0.0/16", "10.2.0.0/22", "10.2.1.0/24", "172.16.0.0/12", "203.0.113.0/28",
    "fd00::/64", "FD00::/64", "fd00:0:0:1::/80", "2001:db8::/48", "64:ff9b::1.2.3.0/120",
    "10.1.0.1/24", "10.1.0.0/7", "10.1.0.0/31", "10.1.0.0", "1.2.3/24", "::1.2.3.4/120", "224.0.0.0/8",
    "ff02::/64", "fd00::/129", "fd00:::/64", " 10.1.0.0/24", "10.1.0.0/24\n", "0.0.0.0/0", "::/0", "x", "",
)  # fmt: skip
KEYS = ("a", "a.b/c-d", "A_b.c", "-a", "a/", "/a", "a/b/c", "A/b", "a" * 64, "é", "")
VALUES = ("", "a", "A_b.c", "a" * 63, "a" * 64, "-a", "a b", "é")
SERVICES = ("dns", "api", "a/b", "a-1/b-2", "dns ", "Dns", "a/b.c", "a", "a/", "/b", "a/b/c", "")

expressions = st.fixed_dictionaries(
    {
        "key": st.sampled_from(KEYS[:3]),
        "operator": st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")),
    },
    optional={"values": st.lists(st.sampled_from(VALUES[:5]), max_size=2)},
)
selectors = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2),
        "matchExpressions": st.lists(expressions, max_size=2),
    },
)
RANGES = (
    "10.0.0.0/12",
    "10.16.0.0/12",
    "10.16.0.0/16",
    "100.64.0.0/10",
    "fd01::/64",
    "fd02::/64",
    "fd02::/16",
)
ranges = st.lists(st.sampled_from(RANGES), min_size=1, max_size=2)
places = st.fixed_dictionaries(
    {},
    optional={
        "service": st.sampled_from(("a/b", "a")),
        "addresses": st.lists(st.sampled_from(("10.0.0.9", "10.96.0.9", "fd01::9", "::9", "x")), max_size=2),
        "ports": st.lists(st.just(PORT), max_size=2),
    },
)
durations = st.from_regex(r"\A([0-9]{1,3}(\.[0-9])?(h|m|s|ms)){1,2}\Z") | st.sampled_from(
    ("5s", "5", "", "1d")
)
urls = st.from_regex(r"\A((https|ssh|http)://)?([a-]{1,2}(:[b/])?@)?[a.-]{1,3}(:[1a/]{1,3})?(/[a:.]{0,3})?\Z")
segments = st.lists(st.sampled_from(("a", "a.b", "..", ".", "", "a b", ".a", "a.lock", "é")), max_size=3).map(
    "/".join
)
FIELDS: Mapping[str, Mapping[str, st.SearchStrategy[object]]] = {
    "VirtualNetwork": {
        "subnets": st.lists(st.sampled_from(SUBNETS), max_size=3),
        "egress": st.sampled_from(("none", "snat", "None", "")),
        "allowedNamespaces": selectors,
        "infrastructure": st.fixed_dictionaries(
            {}, optional={"services": st.lists(st.sampled_from(SERVICES), max_size=3)}
        ),
    },
    "ClusterConfig": {
        "podRanges": ranges,
        "serviceRanges": ranges,
        "nodeRanges": ranges,
        "dns": places,
        "hostLinksV4": st.sampled_from(("100.64.0.0/10", "192.168.0.0/16", "198.18.0.0/15", "fd09::/16")),
        "hostLinksV6": st.sampled_from(("fd03::/16", "fd02::/64", "fd04::/112")),
    },
    "NetworkSource": {
        "url": urls,
        "path": segments,
        "interval": durations,
        "ref": st.dictionaries(st.sampled_from(("branch", "tag", "commit")), segments, max_size=2),
        "rollout": st.fixed_dictionaries(
            {}, optional={"share": st.integers(-1, 2) | st.sampled_from(("1%", "100%", "07%", "1", "%"))}
        ),
    },
}


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    """A good object of which one field or two are as they come."""
    good = draw(st.sampled_from((network(), config(), source())))
    fields = FIELDS[good.kind]
    names = draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=2, unique=True))
    return replace(good, spec={**good.spec, **{name: draw(fields[name]) for name in names}})


@settings(max_examples=400)
@given(candidate=candidates())
def test_both_judge_alike(server: ClusterApi, candidate: Candidate) -> None:
    by_compiler, by_server = compiler_refuses(candidate), server_refuses(server, candidate)
    assert bool(by_compiler) == bool(by_server), (candidate, by_compiler, by_server)
