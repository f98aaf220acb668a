"""The controller's metrics as Prometheus reads them."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from controller.serving.metrics import (
    ControllerMetrics,
    Outcome,
    Stage,
    SubnetUse,
    Turn,
    metric_names,
)

OLD, NEW = "1" * 40, "2" * 40


def _lines(metrics: ControllerMetrics, name: str) -> list[str]:
    text = generate_latest(metrics.registry).decode()
    return sorted(line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))


def test_two_registries_do_not_know_each_other() -> None:
    one, other = ControllerMetrics(version="1"), ControllerMetrics(version="2")
    one.set_leader(True)
    assert _lines(one, "atoll_leader") == ["atoll_leader 1.0"]
    assert _lines(other, "atoll_leader") == ["atoll_leader 0.0"]


def test_a_new_commit_replaces_the_series_of_the_old_one() -> None:
    metrics = ControllerMetrics(version="1")
    metrics.set_revisions("atoll-system", "networks", seen=OLD, attempted=OLD, applied=OLD)
    metrics.set_revisions("atoll-system", "networks", seen=NEW, attempted=NEW, applied=OLD)
    place = 'name="networks",namespace="atoll-system"'
    assert _lines(metrics, "atoll_source_revision_info") == [
        f'atoll_source_revision_info{{{place},revision="{OLD}",state="applied"}} 1.0',
        f'atoll_source_revision_info{{{place},revision="{NEW}",state="attempted"}} 1.0',
        f'atoll_source_revision_info{{{place},revision="{NEW}",state="seen"}} 1.0',
    ]


def test_a_source_that_is_gone_has_no_series() -> None:
    metrics = ControllerMetrics(version="1")
    metrics.set_revisions("atoll-system", "networks", seen=NEW, attempted=NEW, applied="")
    metrics.forget_source("atoll-system", "networks")
    metrics.forget_source("atoll-system", "never-seen")
    assert _lines(metrics, "atoll_source_revision_info") == []


def test_a_network_that_is_gone_has_no_series() -> None:
    metrics = ControllerMetrics(version="1")
    shop = SubnetUse(namespace="shop", network="front", subnet="10.1.0.0/24", used=3, free=251)
    bank = SubnetUse(namespace="bank", network="core", subnet="fd00::/64", used=1, free=2**63 - 1)
    metrics.set_addresses([shop, bank])
    metrics.set_addresses([bank])
    assert _lines(metrics, "atoll_network_addresses") == [
        'atoll_network_addresses{namespace="bank",network="core",state="free",subnet="fd00::/64"}'
        " 9.223372036854776e+18",
        'atoll_network_addresses{namespace="bank",network="core",state="used",subnet="fd00::/64"} 1.0',
    ]


def test_a_rollout_stands_at_one_stage() -> None:
    metrics = ControllerMetrics(version="1")
    metrics.set_rollout(Stage.CANARY)
    metrics.set_rollout(Stage.HALTED)
    assert _lines(metrics, "atoll_rollout_stage") == [
        'atoll_rollout_stage{stage="all"} 0.0',
        'atoll_rollout_stage{stage="canary"} 0.0',
        'atoll_rollout_stage{stage="halted"} 1.0',
        'atoll_rollout_stage{stage="idle"} 0.0',
        'atoll_rollout_stage{stage="share"} 0.0',
    ]


class TestCommitToKernel:
    def setup_method(self) -> None:
        self.now = 100.0
        self.metrics = ControllerMetrics(version="1", clock=lambda: self.now)

    def _measured(self) -> list[str]:
        name = "atoll_commit_to_kernel_seconds"
        return [*_lines(self.metrics, f"{name}_count"), *_lines(self.metrics, f"{name}_sum")]

    def test_the_time_from_first_sight_to_the_last_report_is_measured_once(self) -> None:
        self.metrics.commit_seen(NEW)
        self.now = 101.0
        self.metrics.commit_seen(NEW)
        self.now = 102.5
        self.metrics.commit_in_kernel(NEW)
        self.now = 500.0
        self.metrics.commit_in_kernel(NEW)
        assert self._measured() == [
            "atoll_commit_to_kernel_seconds_count 1.0",
            "atoll_commit_to_kernel_seconds_sum 2.5",
        ]

    def test_a_commit_in_force_since_before_the_start_is_not_measured(self) -> None:
        self.metrics.commit_in_kernel(OLD)
        assert self._measured()[0] == "atoll_commit_to_kernel_seconds_count 0.0"

    def test_an_overtaken_commit_is_not_measured(self) -> None:
        self.metrics.commit_seen(OLD)
        self.metrics.commit_seen(NEW)
        self.metrics.commit_in_kernel(NEW)
        self.metrics.commit_in_kernel(OLD)
        assert self._measured()[0] == "atoll_commit_to_kernel_seconds_count 1.0"

    def test_commits_that_never_arrive_are_forgotten(self) -> None:
        for number in range(65):
            self.metrics.commit_seen(f"{number:040}")
        self.metrics.commit_in_kernel(f"{0:040}")
        assert self._measured()[0] == "atoll_commit_to_kernel_seconds_count 0.0"
        self.metrics.commit_in_kernel(f"{1:040}")
        assert self._measured()[0] == "atoll_commit_to_kernel_seconds_count 1.0"


def test_the_oldest_pending_plan_ages_between_scrapes() -> None:
    now = 100.0
    metrics = ControllerMetrics(version="1", clock=lambda: now)
    assert _lines(metrics, "atoll_node_plan_age_seconds") == ["atoll_node_plan_age_seconds 0.0"]
    metrics.set_oldest_pending_plan(90.0)
    now = 107.0
    assert _lines(metrics, "atoll_node_plan_age_seconds") == ["atoll_node_plan_age_seconds 17.0"]
    metrics.set_oldest_pending_plan(None)
    assert _lines(metrics, "atoll_node_plan_age_seconds") == ["atoll_node_plan_age_seconds 0.0"]


def tell_everything(metrics: ControllerMetrics) -> None:
    """Call every method of the facade, so that every metric has a series."""
    metrics.set_leader(True)
    metrics.observe_reconcile(0.2, Turn.PUBLISHED)
    metrics.observe_compile(0.1, Outcome.SUCCESS)
    metrics.observe_git_fetch(0.3, Outcome.FAILURE)
    metrics.set_revisions("atoll-system", "networks", seen=NEW, attempted=NEW, applied=OLD)
    metrics.set_problems(errors=1, warnings=2)
    metrics.set_nodes(ready=3, pending=1, failed=0)
    metrics.set_objects(networks=5, routers=2)
    metrics.set_addresses(
        [SubnetUse(namespace="shop", network="front", subnet="10.1.0.0/24", used=3, free=251)]
    )
    metrics.drift_found("VirtualNetwork")
    metrics.drift_repaired("VirtualNetwork")
    metrics.commit_seen(NEW)
    metrics.commit_in_kernel(NEW)
    metrics.set_rollout(Stage.ALL)
    metrics.api_request("get", "nodes", "200")
    metrics.watch_event("pods")
    metrics.watch_relisted("pods")
    metrics.webhook_request("github", "accepted")


def test_the_names_given_are_those_exposed() -> None:
    metrics = ControllerMetrics(version="1")
    tell_everything(metrics)
    exposed = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    assert exposed == metric_names()


@pytest.mark.parametrize("name", ["atoll_compile_created", "atoll_compile_duration_seconds_created"])
def test_no_series_tells_when_another_was_made(name: str) -> None:
    metrics = ControllerMetrics(version="1")
    tell_everything(metrics)
    assert _lines(metrics, name) == []
