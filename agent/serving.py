"""What the agent answers over HTTP: /metrics, /healthz and /readyz.

Descriptors are what it may not lose to strangers: libnftables lives with few (`agent.nft.MAX_DESCRIPTOR`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, make_wsgi_app

from serving.health import Check, handler_of
from serving.message import application_of, routed
from serving.server import Address, HttpServer, Limits

LIMITS: Final = Limits(body=1024, connections=16, threads=2, seconds=10.0)


@contextmanager
def serving(
    address: Address,
    *,
    registry: CollectorRegistry,
    alive: Mapping[str, Check],
    ready: Mapping[str, Check],
) -> Iterator[int]:
    """Answer while the context lasts; yields the port. Raises CannotListen."""
    routes = {
        "/metrics": make_wsgi_app(registry),
        "/healthz": application_of(handler_of("healthz", alive)),
        "/readyz": application_of(handler_of("readyz", ready)),
    }
    with HttpServer(address, routed(routes), LIMITS) as server:
        yield server.port
