"""Each node's identity: a ServiceAccount, and the right to its own NodeNetwork and to nothing else.

RBAC knows objects by their names, so a node's rights are a ClusterRole of its own. `identities_for` is
pure: from the cluster's nodes and what stands there to what is to be put and to be deleted.
Putting is idempotent, and corrects what another release or another hand has written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import msgspec

from compiler.names import NodeName
from controller.cluster.objects import FIELD_MANAGER
from controller.cluster.plan_object import LABEL_NODE, LABELS, MAX_PARTS, part_name
from kube.api import Api, ApiError, Json, NotFound, ObjectRef, Unreachable
from kube.kinds import (
    ATOLL_GROUP,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NODE_NETWORK_PARTS,
    NODE_NETWORKS,
    SERVICE_ACCOUNTS,
)
from kube.resource import Resource

NAMESPACE: Final = "atoll-nodes"
PREFIX: Final = "atoll:node:"
"""Of the names of ClusterRoles and their bindings; the node's name follows."""
_SELECTOR: Final = ",".join(f"{name}={value}" for name, value in LABELS.items())
_RBAC: Final = "rbac.authorization.k8s.io"
_MEANINGFUL: Final = ("rules", "roleRef", "subjects")
_AT_ONCE: Final = 8
_ROLE_SEEN_WITHIN: Final = 5.0
"""Seconds. That a binding gives no more than its maker has is judged by a cache that may lag behind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """Create the object, or correct it."""

    ref: ObjectRef
    body: Json

    def __str__(self) -> str:
        return f"put {self.ref}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delete:
    ref: ObjectRef

    def __str__(self) -> str:
        return f"delete {self.ref}"


Action = Put | Delete
Standing = Mapping[ObjectRef, Json]
"""Objects with our label; of each what gives rights, as `meaning` has it."""


class IdentitiesFailed(Exception):
    """Some nodes have no identity yet, or a former node still has one. The text names the first."""


def identities_for(
    nodes: Collection[NodeName], standing: Standing, namespace: str = NAMESPACE
) -> tuple[Action, ...]:
    """What makes the nodes' identities complete and exact, roles before their bindings.

    A binding's role cannot be changed, so one that leads elsewhere is deleted first.
    """
    wanted = {ref: body for node in sorted(nodes) for ref, body in _objects(node, namespace)}
    return (
        *(Delete(ref=ref) for ref in sorted(standing.keys() - wanted.keys(), reverse=True)),
        *(
            Delete(ref=ref)
            for ref, body in wanted.items()
            if ref in standing and standing[ref].get("roleRef") != body.get("roleRef")
        ),
        *(
            Put(ref=ref, body=body)
            for ref, body in sorted(
                wanted.items(), key=lambda item: item[0].resource == CLUSTER_ROLE_BINDINGS
            )
            if standing.get(ref) != meaning(body)
        ),
    )


def meaning(body: Json) -> Json:
    """The part of an object that gives rights."""
    return {field: body[field] for field in _MEANINGFUL if field in body}


class Identities:
    """Not thread-safe. What stands is listed once; after that only differences cost requests."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str = NAMESPACE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._sleep = sleep
        self._standing: dict[ObjectRef, Json] | None = None
        self._done: frozenset[NodeName] | None = None
        """Nodes whose identities are all there is."""

    def reconcile(self, nodes: Collection[NodeName]) -> None:
        """Give each of these nodes its identity, and take those of all others away.

        One that fails stops no other. Raises IdentitiesFailed at the end, and ApiError where what
        stands cannot be listed: in both cases call again.
        """
        if frozenset(nodes) == self._done:
            return
        self._done = None
        if self._standing is None:
            self._standing = dict(self._listed())
        actions = identities_for(nodes, self._standing, self._namespace)
        failures = [failure for phase in _phases(actions) for failure in self._execute(phase, self._standing)]
        if any(isinstance(error, Unreachable) for _, error in failures):
            self._standing = None  # some of it may have happened
        if failures:
            action, error = failures[0]
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            raise IdentitiesFailed(f"{action}: {error}{more}")
        self._done = frozenset(nodes)

    def _execute(
        self, actions: Sequence[Action], standing: dict[ObjectRef, Json]
    ) -> list[tuple[Action, ApiError]]:
        failures: list[tuple[Action, ApiError]] = []
        if not actions:
            return failures
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            for action, error in zip(actions, pool.map(self._attempt, actions), strict=True):
                if error is not None:
                    failures.append((action, error))
                elif isinstance(action, Put):
                    standing[action.ref] = meaning(action.body)
                else:
                    standing.pop(action.ref, None)
        return failures

    def _attempt(self, action: Action) -> ApiError | None:
        try:
            if isinstance(action, Put):
                self._put(action)
            else:
                self._api.delete(action.ref)
        except NotFound as error:
            return error if isinstance(action, Put) else None
        except ApiError as error:
            return error
        return None

    def _put(self, action: Put) -> None:
        end = self._clock() + _ROLE_SEEN_WITHIN
        while True:
            try:
                self._api.apply(action.ref, action.body, field_manager=FIELD_MANAGER, force=True)
            except NotFound:
                if action.ref.resource != CLUSTER_ROLE_BINDINGS or self._clock() > end:
                    raise
                self._sleep(0.1)
            else:
                return

    def _listed(self) -> Iterator[tuple[ObjectRef, Json]]:
        for resource, namespace in (
            (SERVICE_ACCOUNTS, self._namespace),
            (CLUSTER_ROLES, ""),
            (CLUSTER_ROLE_BINDINGS, ""),
        ):
            for item in self._pages(resource, namespace):
                ref = ObjectRef(resource=resource, name=item.metadata.name, namespace=namespace)
                if namespace or ref.name.startswith(PREFIX):
                    yield ref, item.meaning

    def _pages(self, resource: Resource, namespace: str) -> Iterator[_Item]:
        following = ""
        while True:
            raw = self._api.list(
                resource, namespace=namespace, label_selector=_SELECTOR, continue_token=following
            )
            page = _pages.decode(raw)
            yield from page.items
            following = page.metadata.following
            if not following:
                return


class _Metadata(msgspec.Struct, frozen=True):
    name: str


class _Item(msgspec.Struct, frozen=True, rename="camel"):
    metadata: _Metadata
    rules: object = None
    role_ref: object = None
    subjects: object = None

    @property
    def meaning(self) -> Json:
        fields = {"rules": self.rules, "roleRef": self.role_ref, "subjects": self.subjects}
        return {name: value for name, value in fields.items() if value is not None}


class _PageMetadata(msgspec.Struct, frozen=True):
    following: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct, frozen=True):
    items: tuple[_Item, ...]
    metadata: _PageMetadata


_pages = msgspec.json.Decoder(_Page)


def _phases(actions: Iterable[Action]) -> Iterator[tuple[Action, ...]]:
    """Within each everything may happen at once."""
    actions = tuple(actions)
    yield tuple(action for action in actions if isinstance(action, Delete))
    puts = [action for action in actions if isinstance(action, Put)]
    yield tuple(action for action in puts if action.ref.resource != CLUSTER_ROLE_BINDINGS)
    yield tuple(action for action in puts if action.ref.resource == CLUSTER_ROLE_BINDINGS)


def _objects(node: NodeName, namespace: str) -> Iterator[tuple[ObjectRef, Json]]:
    account = ObjectRef(resource=SERVICE_ACCOUNTS, name=node, namespace=namespace)
    role = ObjectRef(resource=CLUSTER_ROLES, name=f"{PREFIX}{node}")
    binding = ObjectRef(resource=CLUSTER_ROLE_BINDINGS, name=role.name)
    yield account, _body(account, node, {"automountServiceAccountToken": False})
    yield role, _body(role, node, {"rules": _rules(node)})
    yield (
        binding,
        _body(
            binding,
            node,
            {
                "roleRef": {"apiGroup": _RBAC, "kind": CLUSTER_ROLES.kind, "name": role.name},
                "subjects": [{"kind": SERVICE_ACCOUNTS.kind, "name": node, "namespace": namespace}],
            },
        ),
    )


def _rules(node: NodeName) -> list[Json]:
    def rule(resource: str, names: Sequence[str], verbs: Sequence[str]) -> Json:
        return {
            "apiGroups": [ATOLL_GROUP],
            "resources": [resource],
            "resourceNames": list(names),
            "verbs": list(verbs),
        }

    parts = [part_name(node, index) for index in range(MAX_PARTS)]
    return [
        rule(NODE_NETWORKS.plural, [node], ["get", "list", "watch"]),
        rule(f"{NODE_NETWORKS.plural}/status", [node], ["patch"]),
        rule(NODE_NETWORK_PARTS.plural, parts, ["get"]),
    ]


def _body(ref: ObjectRef, node: NodeName, content: Json) -> Json:
    # The node's name as an annotation: it may be longer than a label's value.
    metadata: dict[str, object] = {"name": ref.name, "labels": LABELS, "annotations": {LABEL_NODE: node}}
    if ref.namespace:
        metadata["namespace"] = ref.namespace
    return {
        "apiVersion": ref.resource.api_version,
        "kind": ref.resource.kind,
        "metadata": metadata,
        **content,
    }
