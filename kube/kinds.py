"""The resources that Atoll reads or writes: Kubernetes' own and those of atoll.dev."""

from __future__ import annotations

from kube.resource import Resource

ATOLL_GROUP = "atoll.dev"
ATOLL_VERSION = "v1alpha1"


def _core(plural: str, kind: str, *, namespaced: bool = True) -> Resource:
    return Resource(group="", version="v1", plural=plural, kind=kind, namespaced=namespaced)


def _v1(group: str, plural: str, kind: str, *, namespaced: bool = True) -> Resource:
    return Resource(group=group, version="v1", plural=plural, kind=kind, namespaced=namespaced)


def _atoll(plural: str, kind: str, *, namespaced: bool) -> Resource:
    return Resource(group=ATOLL_GROUP, version=ATOLL_VERSION, plural=plural, kind=kind, namespaced=namespaced)


NODES = _core("nodes", "Node", namespaced=False)
NAMESPACES = _core("namespaces", "Namespace", namespaced=False)
PODS = _core("pods", "Pod")
SERVICES = _core("services", "Service")
CONFIG_MAPS = _core("configmaps", "ConfigMap")
SECRETS = _core("secrets", "Secret")
SERVICE_ACCOUNTS = _core("serviceaccounts", "ServiceAccount")
ENDPOINT_SLICES = _v1("discovery.k8s.io", "endpointslices", "EndpointSlice")
EVENTS = _v1("events.k8s.io", "events", "Event")
LEASES = _v1("coordination.k8s.io", "leases", "Lease")
CLUSTER_ROLES = _v1("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = _v1(
    "rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)

VIRTUAL_NETWORKS = _atoll("virtualnetworks", "VirtualNetwork", namespaced=True)
VIRTUAL_NETWORK_ROUTERS = _atoll("virtualnetworkrouters", "VirtualNetworkRouter", namespaced=True)
CLUSTER_CONFIGS = _atoll("clusterconfigs", "ClusterConfig", namespaced=False)
NETWORK_SOURCES = _atoll("networksources", "NetworkSource", namespaced=True)
NODE_NETWORKS = _atoll("nodenetworks", "NodeNetwork", namespaced=False)
NODE_NETWORK_PARTS = _atoll("nodenetworkparts", "NodeNetworkPart", namespaced=False)
