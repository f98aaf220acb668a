"""The controller's addresses: one for metrics and health, one for webhooks, or one for both.

Webhooks come from outside and may fill their listener; the kubelet's probes and Prometheus have
another, unless an operator gives both the same address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final
from wsgiref.types import WSGIApplication

from prometheus_client import make_wsgi_app

from controller.serving import receiver
from controller.serving.metrics import ControllerMetrics
from controller.serving.receiver import Receiver
from serving.health import Check, handler_of
from serving.message import application_of, routed
from serving.server import Address, HttpServer, Limits

LIMITS: Final = Limits(body=1024, connections=32, threads=2, seconds=10.0)
"""Of metrics and health: questions have no bodies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    metrics: Address | None
    """Of /metrics, /healthz and /readyz; None serves none of them."""
    webhooks: Address | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """As they are, where an address leaves the choice; None where there is no listener."""

    metrics: int | None
    webhooks: int | None


@contextmanager
def serving(
    addresses: Addresses,
    *,
    metrics: ControllerMetrics,
    alive: Mapping[str, Check],
    ready: Mapping[str, Check],
    hooks: Receiver,
) -> Iterator[Ports]:
    """Answer while the context lasts. Raises CannotListen."""
    questions = {
        "/metrics": make_wsgi_app(metrics.registry),
        "/healthz": application_of(handler_of("healthz", alive)),
        "/readyz": application_of(handler_of("readyz", ready)),
    }
    pushes = {receiver.PREFIX: application_of(hooks.handle)}
    with ExitStack() as stack:

        def listen(
            address: Address | None, routes: Mapping[str, WSGIApplication], limits: Limits
        ) -> int | None:
            if address is None:
                return None
            return stack.enter_context(HttpServer(address, routed(routes), limits)).port

        if addresses.metrics is not None and addresses.metrics == addresses.webhooks:
            port = listen(addresses.metrics, {**questions, **pushes}, receiver.LIMITS)
            yield Ports(metrics=port, webhooks=port)
        else:
            yield Ports(
                metrics=listen(addresses.metrics, questions, LIMITS),
                webhooks=listen(addresses.webhooks, pushes, receiver.LIMITS),
            )
