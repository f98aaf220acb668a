"""Who the agent is to the API server: its node, by a token that nobody else on the cluster can have.

All agents share one ServiceAccount, so that one may do nothing but ask for a token of its own node's
account; an admission policy compares the request with the node that the kubelet has sealed into the
mounted token. What comes back is bound to the Node object and ends with it. It is kept in memory
only, and renewed long before its end; while that fails, the last one is used.
"""

from __future__ import annotations

import base64
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from agent.retry import Retry
from compiler.names import NodeName
from kube.api import Api, ApiError, Forbidden, Json, NotFound, Unauthorized
from kube.client import ClusterApi
from kube.connection import Connection, from_kubeconfig, in_cluster, with_token
from kube.kinds import NODES, SERVICE_ACCOUNTS

NODES_NAMESPACE: Final = "atoll-nodes"
LIFE_SECONDS: Final = 3600
RENEWED_AT: Final = (0.75, 0.85)
"""Of its life, somewhere between: a cluster's agents do not ask all at once."""

_log = logging.getLogger("atoll.agent")


class NoIdentity(Unauthorized):
    """There is no token for the node, so nothing can be asked in its name. The text says why."""


class _TokenStatus(msgspec.Struct, frozen=True):
    token: str


class _TokenRequest(msgspec.Struct, frozen=True):
    status: _TokenStatus


_answers = msgspec.json.Decoder(_TokenRequest)


class _Claims(msgspec.Struct, frozen=True):
    iat: float
    exp: float


_claims = msgspec.json.Decoder(_Claims)


def connect(kubeconfig: Path | None, node: NodeName, nodes_namespace: str) -> Api:
    """The API server, as the node. Raises kube.connection.ConfigurationError.

    A kubeconfig is used as it is; without one the pod's own identity is exchanged for the node's.
    """
    if kubeconfig is not None:
        return ClusterApi.of(from_kubeconfig(str(kubeconfig)))
    return as_node(in_cluster(), node, nodes_namespace)


def as_node(agent: Connection, node: NodeName, nodes_namespace: str = NODES_NAMESPACE) -> Api:
    """The API server, as the node, for who has the agent's own identity there."""
    token = NodeToken(api=ClusterApi.of(agent), node=node, namespace=nodes_namespace)
    return ClusterApi.of(exchanged(agent, token))


def exchanged(agent: Connection, token: NodeToken) -> Connection:
    """The agent's connection with the node's token; a token that the server refuses is not used again."""
    connection = with_token(agent, token)

    def renewed() -> Connection:
        token.forget()
        return exchanged(agent, token)

    return replace(connection, reload=renewed)


class NodeToken:
    """Thread-safe. Calling it gives the token as of now, asking for another where it is time."""

    def __init__(
        self,
        *,
        api: Api,
        node: NodeName,
        namespace: str,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        """`api` as the agent's own account."""
        self._api = api
        self._node = node
        self._namespace = namespace
        self._clock = clock
        self._chance = chance or random.Random()
        self._retry = Retry(first=1.0, longest=60.0, clock=clock, chance=self._chance)
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._ends_at = 0.0
        self._failure: NoIdentity | None = None

    def __call__(self) -> str:
        """Raises NoIdentity where no token lives and none can be had."""
        with self._lock:
            now = self._clock()
            if (not self._token or now >= self._renew_at) and not self._retry.wait:
                self._exchange()
            if self._token and self._clock() < self._ends_at:
                return self._token
            raise self._failure or NoIdentity(f"the token of node {self._node} has ended")

    def forget(self) -> None:
        """The server does not take it: the Node or its account has been made anew."""
        with self._lock:
            self._token = ""

    def _exchange(self) -> None:
        asked_at = self._clock()
        try:
            answer = self._api.create(
                SERVICE_ACCOUNTS,
                self._request(),
                namespace=self._namespace,
                name=self._node,
                subresource="token",
            )
            token = _answers.decode(answer).status.token
        except (ApiError, msgspec.DecodeError) as error:
            self._retry.failed(error.retry_after if isinstance(error, ApiError) else None)
            self._failure = self._explained(error)
            _log.warning("%s", self._failure)
            return
        life = _life(token)
        self._token = token
        self._ends_at = asked_at + life
        self._renew_at = asked_at + life * self._chance.uniform(*RENEWED_AT)
        self._retry.succeeded()
        self._failure = None

    def _request(self) -> Json:
        # Bound to the Node: a pod would have to be of the account's namespace, which has none.
        node = {"apiVersion": NODES.api_version, "kind": NODES.kind, "name": self._node}
        return {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": LIFE_SECONDS, "boundObjectRef": node},
        }

    def _explained(self, error: Exception) -> NoIdentity:
        account = f"{self._namespace}/{self._node}"
        remedy = ""
        if isinstance(error, NotFound):
            remedy = (
                f". The controller makes this account for Node {self._node}: look whether that exists,"
                " and whether the controller runs"
            )
        elif isinstance(error, Forbidden):
            remedy = ". The chart's agent-rbac.yaml and agent-admission.yaml say who may ask for it"
        return NoIdentity(f"no token of ServiceAccount {account}: {error}{remedy}")


def _life(token: str) -> float:
    """Seconds between the token's making and its end, both by the server's clock, which need not be ours."""
    try:
        payload = token.split(".")[1]
        padded = payload + "=" * (-len(payload) % 4)
        claims = _claims.decode(base64.urlsafe_b64decode(padded))
    except (IndexError, ValueError, msgspec.DecodeError):
        return LIFE_SECONDS  # some other form of token: what was asked for
    return claims.exp - claims.iat
