"""The agent's metrics as Prometheus reads them, and its addresses over real HTTP."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from contextlib import closing

import pytest
from prometheus_client import generate_latest

from agent.metrics import AgentMetrics, Answer, Apply, NetworkUse, Repaired, metric_names
from agent.serving import serving
from compiler.names import ObjectName
from serving.health import Check
from serving.server import Address

LOCAL = Address(host="127.0.0.1", port=0)
PATIENCE = 20.0


def _lines(metrics: AgentMetrics, name: str) -> list[str]:
    text = generate_latest(metrics.registry).decode()
    return sorted(line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))


def tell_everything(metrics: AgentMetrics) -> None:
    """Call every method of the facade, so that every metric has a series."""
    metrics.set_plan("1" * 40, networks=3)
    metrics.observe_apply(0.02, Apply.CHANGED)
    metrics.repaired(Repaired.TABLE)
    metrics.set_attachments(4)
    metrics.set_addresses([NetworkUse(network="shop/front", used=3, free=11)])
    metrics.address_missing(ObjectName(namespace="shop", name="front"))
    metrics.set_ready(True)
    metrics.set_api_connected(True)
    metrics.set_nft_transactions(2)
    metrics.observe_cni("ADD", 0.1, Answer.DONE)


def test_the_names_given_are_those_exposed() -> None:
    metrics = AgentMetrics(version="1")
    tell_everything(metrics)
    exposed = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    assert exposed == metric_names()


def test_pods_without_an_address_are_counted_for_networks_that_are_here() -> None:
    metrics = AgentMetrics(version="1")
    front, back = ObjectName(namespace="shop", name="front"), ObjectName(namespace="shop", name="back")
    for network in (front, back, back):
        metrics.address_missing(network)
    metrics.set_addresses([NetworkUse(network="shop/back", used=3, free=0)])
    assert _lines(metrics, "atoll_agent_addresses_exhausted_total") == [
        'atoll_agent_addresses_exhausted_total{network="shop/back"} 2.0'
    ]


def test_a_new_plan_replaces_the_series_of_the_old_one() -> None:
    metrics = AgentMetrics(version="1")
    metrics.set_plan("1" * 40, networks=3)
    metrics.set_plan("2" * 40, networks=5)
    assert _lines(metrics, "atoll_agent_plan_info") == [f'atoll_agent_plan_info{{revision="{"2" * 40}"}} 1.0']
    assert _lines(metrics, "atoll_agent_networks") == ["atoll_agent_networks 5.0"]


def test_a_network_that_left_the_node_has_no_series() -> None:
    metrics = AgentMetrics(version="1")
    front, back = (NetworkUse(network=name, used=3, free=11) for name in ("shop/front", "shop/back"))
    metrics.set_addresses([front, back])
    metrics.set_addresses([back])
    assert _lines(metrics, "atoll_agent_addresses") == [
        'atoll_agent_addresses{network="shop/back",state="free"} 11.0',
        'atoll_agent_addresses{network="shop/back",state="used"} 3.0',
    ]


def test_transactions_are_counted_by_what_the_policy_says() -> None:
    metrics = AgentMetrics(version="1")
    for since_start in (0, 2, 2, 5):
        metrics.set_nft_transactions(since_start)
    assert _lines(metrics, "atoll_agent_nft_transactions_total") == ["atoll_agent_nft_transactions_total 5.0"]


def test_verbs_that_cni_does_not_know_are_one() -> None:
    metrics = AgentMetrics(version="1")
    for verb in ("ADD", "", "add", "x" * 1000):
        metrics.observe_cni(verb, 0.1, Answer.REFUSED)
    assert _lines(metrics, "atoll_agent_cni_requests_total") == [
        'atoll_agent_cni_requests_total{outcome="refused",verb="ADD"} 1.0',
        'atoll_agent_cni_requests_total{outcome="refused",verb="other"} 3.0',
    ]


def _ask(port: int, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def test_metrics_and_health_are_served() -> None:
    metrics = AgentMetrics(version="1.2.3")
    alive: Mapping[str, Check] = {"turn": lambda: None}
    ready: Mapping[str, Check] = {"plan": lambda: "none is in force"}
    with serving(LOCAL, registry=metrics.registry, alive=alive, ready=ready) as port:
        status, text = _ask(port, "/metrics")
        assert status == 200
        assert b'atoll_agent_build_info{version="1.2.3"} 1.0' in text
        assert _ask(port, "/healthz") == (200, b"[+]turn ok\nhealthz check passed\n")
        assert _ask(port, "/readyz?verbose") == (
            503,
            b"[-]plan failed: none is in force\nreadyz check failed\n",
        )
        assert _ask(port, "/") == (404, b"nothing is here\n")


def test_connections_are_bounded_and_each_ends_after_its_request() -> None:
    metrics = AgentMetrics(version="1")
    with serving(LOCAL, registry=metrics.registry, alive={}, ready={}) as port:
        silent = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(16)]
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as further:
            further.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            further.settimeout(0.3)
            with pytest.raises(TimeoutError):
                further.recv(1)
            silent.pop().close()
            further.settimeout(PATIENCE)
            with further.makefile("rb") as stream:
                assert stream.read().endswith(b"healthz check passed\n")
        for connection in silent:
            connection.close()
