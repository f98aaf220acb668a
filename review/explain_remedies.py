"""What would have to be declared for a no to become a yes, as YAML to start from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import chain, combinations, count
from typing import Final

from compiler.addresses import overlap
from compiler.label_index import NAME_LABEL
from compiler.model import VirtualNetwork, VirtualNetworkRouter
from compiler.names import ObjectName
from compiler.routers import PARTNER
from review.explain_answer import Remedy
from verifier.meaning import Meaning
from verifier.talking import labels_of

_NETWORK: Final = """\
# VirtualNetwork {name} ({place})
spec:
  {field}
"""
_MESH: Final = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata:
  name: {router}
  namespace: {namespace}
  labels:
    router: {router}
spec:
  type: mesh
  virtualNetworkSelector:
    matchLabels:
      {label}
"""
_LONGEST: Final = 59
"""Of a router's name that is a label's key, too, with a number behind it."""
_IMPORT: Final = """\
  import:
    virtualNetworkRouters:
      - virtualNetworkRouterSelector:
          matchLabels:
            {labels}
        namespaceSelector:
          matchLabels:
            kubernetes.io/metadata.name: {namespace}
"""
_IMPORT_OF_ALL: Final = """\
  import:
    virtualNetworkRouters:
      - virtualNetworkRouterSelector: {{}}
        namespaceSelector:
          matchLabels:
            kubernetes.io/metadata.name: {namespace}
"""


def between(meaning: Meaning, one: VirtualNetwork, other: VirtualNetwork) -> Remedy:
    """For two networks that do not talk."""
    clash = _clash(meaning, (one.name, other.name))
    if clash:
        return Remedy(what=f"Change subnets first: {clash}, and a router between the two would be refused")
    for left in _routers_of(meaning, one):
        for right in _routers_of(meaning, other):
            if left.name != right.name and PARTNER[left.type] is right.type:
                joined = (_selected(meaning, left), _selected(meaning, right))
                if not _clash(meaning, sorted(joined[0] | joined[1])):
                    return _consents(meaning, left, right, _besides(meaning, joined, {one.name, other.name}))
    if one.name.namespace == other.name.namespace:
        return _one_mesh(meaning, one, other)
    return _two_meshes(meaning, one, other)


def _clash(meaning: Meaning, joined: Iterable[ObjectName]) -> str:
    """Subnets that overlap in what would be one routing domain; "" for none."""
    declared = {network.name: network.declared for network in meaning.networks.values()}
    members = dict.fromkeys(mate for name in joined for mate in sorted(meaning.talking.domains[name]))
    for left, right in combinations(members, 2):
        for mine in declared[left].subnets:
            for theirs in declared[right].subnets:
                if overlap(mine.prefix, theirs.prefix):
                    return f"{mine.prefix} of {left} overlaps {theirs.prefix} of {right}"
    return ""


def _selected(meaning: Meaning, router: VirtualNetworkRouter) -> frozenset[ObjectName]:
    return frozenset(
        network.name
        for network in meaning.declarations.networks
        if network.name.namespace == router.name.namespace and router.network_selector.matches(network.labels)
    )


def _besides(
    meaning: Meaning, joined: tuple[frozenset[ObjectName], frozenset[ObjectName]], asked: set[ObjectName]
) -> str:
    """Who else would talk."""
    pairs = sorted(
        {
            (min(left, right), max(left, right))
            for left in joined[0]
            for right in joined[1]
            if {left, right} != asked and not meaning.talking.may_talk(left, right)
        }
    )
    if not pairs:
        return ""
    left, right = pairs[0]
    others = f", and {len(pairs) - 1:,} pairs more" if len(pairs) > 1 else ""
    return f". By that {left} and {right} talk as well{others}"


def _routers_of(meaning: Meaning, network: VirtualNetwork) -> Iterator[VirtualNetworkRouter]:
    for router in meaning.declarations.routers:
        if router.name.namespace == network.name.namespace and router.network_selector.matches(
            network.labels
        ):
            yield router


def _consents(
    meaning: Meaning, left: VirtualNetworkRouter, right: VirtualNetworkRouter, besides: str
) -> Remedy:
    """Both have a router, and the types combine: imports are missing."""
    missing = [
        (router, asked)
        for router, asked in ((left, right), (right, left))
        if not _imports(meaning, router, asked)
    ]
    whose = " and ".join(f"{asked.name} by {router.name}" for router, asked in missing)
    text = "".join(
        f"# VirtualNetworkRouter {router.name} ({router.origin.place})\n"
        f"spec:\n{_import(asked.name, asked.labels)}"
        for router, asked in missing
    )
    what = f"Both routers must import each other; missing is the import of {whose}{besides}"
    return Remedy(what=what, yaml=text)


def _imports(meaning: Meaning, router: VirtualNetworkRouter, asked: VirtualNetworkRouter) -> bool:
    space, known = asked.name.namespace, meaning.seats.inventory.namespaces
    for entry in router.imports:
        wanted = entry.namespace_selector
        here = space == router.name.namespace if wanted is None else wanted.matches(labels_of(space, known))
        if here and entry.router_selector.matches(asked.labels):
            return True
    return False


def _import(name: ObjectName, labels: Mapping[str, str]) -> str:
    if not labels:
        return _IMPORT_OF_ALL.format(namespace=name.namespace)
    lines = "\n            ".join(f'{key}: "{value}"' for key, value in sorted(labels.items()))
    return _IMPORT.format(labels=lines, namespace=name.namespace)


def _one_mesh(meaning: Meaning, one: VirtualNetwork, other: VirtualNetwork) -> Remedy:
    namespace = one.name.namespace
    name = _free(meaning, namespace, f"{one.name.name}-{other.name.name}")
    label = _label(name)
    yaml = _MESH.format(router=name, namespace=namespace, label=label)
    return Remedy(
        what=f"Add a mesh router over both, and the label `{label}` to VirtualNetwork {one.name} "
        f"({one.origin.place}) and {other.name} ({other.origin.place})",
        yaml=yaml,
    )


def _free(meaning: Meaning, namespace: str, wanted: str) -> str:
    """A name for a router that none has, short enough for a label."""
    taken = {router.name for router in meaning.declarations.routers}
    taken_labels = {key for network in meaning.declarations.networks for key in network.labels}
    short = wanted if len(wanted) <= _LONGEST else f"joined-{sha256(wanted.encode()).hexdigest()[:12]}"
    names = chain((short,), (f"{short}-{number}" for number in count(2)))
    return next(
        name
        for name in names
        if ObjectName(namespace=namespace, name=name) not in taken and name not in taken_labels
    )


def _label(router: str) -> str:
    """Of its own, since a network may be joined by several."""
    return f"{router}: joined"


def _two_meshes(meaning: Meaning, one: VirtualNetwork, other: VirtualNetwork) -> Remedy:
    parts, labels = [], []
    names = {
        mine.name: _free(
            meaning, mine.name.namespace, f"{mine.name.name}-to-{theirs.name.namespace}-{theirs.name.name}"
        )
        for mine, theirs in ((one, other), (other, one))
    }
    for mine, theirs in ((one, other), (other, one)):
        name, far = names[mine.name], names[theirs.name]
        label = _label(name)
        labels.append(f"`{label}` to {mine.name} ({mine.origin.place})")
        parts.append(
            _MESH.format(router=name, namespace=mine.name.namespace, label=label)
            + _import(theirs.name, {"router": far})
        )
    return Remedy(
        what="Each side adds a mesh router that imports the other's, and a label: " + ", ".join(labels),
        yaml="---\n".join(parts),
    )


def leaving(network: VirtualNetwork) -> Remedy:
    field = "egress: snat"
    yaml = _NETWORK.format(name=network.name, place=network.origin.place, field=field)
    return Remedy(what="Let the network leave the cluster through its node's address", yaml=yaml)


def asking(network: VirtualNetwork, service: ObjectName) -> Remedy:
    """The Service as infrastructure of the network."""
    entries = ", ".join([*map(str, network.infrastructure), str(service)])
    field = f"infrastructure:\n    services: [{entries}]"
    yaml = _NETWORK.format(name=network.name, place=network.origin.place, field=field)
    return Remedy(what=f"List Service {service} as infrastructure of the network", yaml=yaml)


def admitting(network: VirtualNetwork, namespace: str) -> Remedy:
    """One selector admits all: another in its place would turn away whom it admits now."""
    if network.allowed_namespaces is not None:
        return Remedy(
            what=f"Widen `allowedNamespaces` of network {network.name} ({network.origin.place}) so that it"
            f" admits namespace {namespace} as well, or give the namespace the labels that it asks for"
        )
    field = f"allowedNamespaces:\n    matchLabels:\n      {NAME_LABEL}: {namespace}"
    yaml = _NETWORK.format(name=network.name, place=network.origin.place, field=field)
    return Remedy(what=f"Let network {network.name} admit pods of namespace {namespace}", yaml=yaml)


def declaring(network: ObjectName, pod: ObjectName) -> Remedy:
    """Subnets are anybody's choice."""
    return Remedy(
        what=f"Declare VirtualNetwork {network} with a subnet of its own, or create pod {pod} with the"
        " annotation of a network that is declared"
    )


def joining(network: VirtualNetwork, pod: ObjectName) -> Remedy:
    """The pod on the network, from its creation."""
    yaml = (
        "metadata:\n"
        f"  name: {pod.name}\n"
        f"  namespace: {pod.namespace}\n"
        "  annotations:\n"
        f"    atoll.dev/network: {network.name}\n"
    )
    return Remedy(
        what="Create the pod on that network, or on one that may talk to it: nothing outside reaches it",
        yaml=yaml,
    )
