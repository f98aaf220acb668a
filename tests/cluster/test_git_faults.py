"""A Git host that is away, slow, or not to be trusted; history rewritten, signatures missing, many files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.lab.authority import Authority
from tests.cluster.stage import (
    SOURCE,
    Stage,
    applied,
    condition_of,
    is_ready,
    network_ref,
    reason_of,
    status_of,
)
from tests.cluster.watching import SECONDS, Document
from tests.contracts.git_keys import SshKeys
from tests.contracts.git_workbench import DiskWorkbench
from tests.controller.files import RED, RED_AND_BLUE


def is_unreachable(source: Document) -> bool:
    return reason_of(source) == "SourceUnreachable"


def started(stage: Stage, **spec: object) -> str:
    """One node with a pod in network red; returns the commit."""
    (node,) = stage.nodes(1)
    stage.pod("web", node, "red")
    first = stage.repository.commit(RED)
    stage.follow(spec)
    stage.controller()
    stage.twin(node)
    stage.until_applied(first)
    return first


def until_pods(stage: Stage, number: int) -> None:
    stage.until(network_ref("red"), lambda it: status_of(it).get("pods") == number, f"with {number} pods")


def test_a_host_that_is_away_at_the_start_is_awaited_while_networks_of_others_work(stage: Stage) -> None:
    (node,) = stage.nodes(1)
    first = stage.repository.commit(RED)
    url = stage.host.url("remote")
    stage.host.stop()
    stage.follow({"interval": "5s", "url": url})
    stage.declare_cluster()
    green = stage.declare("green", {"subnets": ["10.7.0.0/24"]})
    stage.controller()
    stage.twin(node)
    source = stage.until(SOURCE, is_unreachable, "unreachable")
    assert "ATL802" in condition_of(source)["message"]
    assert condition_of(source, "Reconciling")["status"] == "True"
    assert "repository" in stage.until_told(SOURCE, "SourceUnreachable")
    stage.until(green, is_ready, "ready")
    stage.host.start()
    stage.until_applied(first)
    stage.until(network_ref("red"), is_ready, "ready")


def test_what_is_in_force_works_on_while_the_host_is_away(stage: Stage) -> None:
    first = started(stage, interval="5s")
    stage.host.stop()
    source = stage.until(SOURCE, is_unreachable, "unreachable")
    assert f"commit {first[:12]} stays in force" in condition_of(source)["message"]
    stage.pod("more", "node-1", "red")
    until_pods(stage, 2)
    second = stage.repository.commit(RED_AND_BLUE)
    stage.host.start()
    stage.until_applied(second)


def test_a_controller_that_starts_while_the_host_is_away_goes_on_with_the_commit_in_force(
    stage: Stage,
) -> None:
    first = started(stage, interval="5s")
    stage.host.stop()
    stage.replace_controller()
    stage.pod("more", "node-1", "red")
    until_pods(stage, 2)
    source = stage.until(SOURCE, is_unreachable, "unreachable")
    assert applied(source) == first
    stage.host.start()
    stage.until_applied(first)


def test_a_host_that_hangs_holds_up_nothing_but_itself(stage: Stage) -> None:
    started(stage, timeout="5s", interval="5s")
    stage.host.hang()
    second = stage.repository.commit(RED_AND_BLUE)
    assert stage.host.await_request(after=stage.host.requests, within=SECONDS)
    stage.pod("more", "node-1", "red")
    until_pods(stage, 2)
    source = stage.until(SOURCE, is_unreachable, "unreachable")
    assert "ATL804" in condition_of(source)["message"]
    stage.host.answer()
    stage.until_applied(second)


def test_a_host_with_a_certificate_of_somebody_else_is_not_believed(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stage.put_credentials(certificate=Authority(tmp_path / "other").certificate.read_bytes())
    first = stage.repository.commit(RED)
    stage.follow({"interval": "5s"})
    stage.controller()
    source = stage.until(SOURCE, is_unreachable, "unreachable")
    assert "certificate" in condition_of(source)["message"]
    assert stage.host.requests == 0
    stage.put_credentials()
    stage.until_applied(first)


def test_a_password_that_is_changed_in_the_secret_is_used_from_then_on(stage: Stage) -> None:
    started(stage, interval="5s")
    stage.host.require("renewed")
    second = stage.repository.commit(RED_AND_BLUE)
    source = stage.until(SOURCE, is_unreachable, "refused")
    message = condition_of(source)["message"]
    assert "Authentication failed" in message or "password" in message
    assert "correct horse" not in message
    stage.put_credentials("renewed")
    stage.until_applied(second)


def test_a_secret_that_is_missing_is_named_and_awaited(stage: Stage) -> None:
    first = stage.repository.commit(RED)
    stage.follow({"interval": "5s", "secretRef": {"name": "later"}})
    stage.controller()
    source = stage.until(SOURCE, lambda it: not is_ready(it) and bool(reason_of(it)), "not ready")
    source = stage.until(SOURCE, is_unreachable, "unreachable")
    assert "Secret atoll-system/later" in condition_of(source)["message"]
    stage.put_secret(
        "later", {"username": b"git", "password": b"correct horse", "ca.crt": stage.host.certificate}
    )
    stage.until_applied(first)


def test_rewritten_history_is_followed_and_told(stage: Stage) -> None:
    started(stage)
    stage.until_applied(stage.push(RED_AND_BLUE))
    third = stage.repository.commit(RED, amend=True)
    stage.request(SOURCE)
    stage.until_applied(third)
    source = stage.get(SOURCE)
    assert [one["code"] for one in source["status"]["problems"]] == ["ATL805"]
    assert "no longer contains commit" in condition_of(source)["message"]
    stage.until(network_ref("blue"), lambda it: not it, "gone")
    fourth = stage.push(RED_AND_BLUE)
    stage.until_applied(fourth)
    assert stage.get(SOURCE)["status"].get("problems", []) == []


def test_a_branch_that_is_deleted_takes_nothing_away(stage: Stage) -> None:
    first = started(stage)
    stage.repository.delete_ref()
    stage.request(SOURCE)
    source = stage.until(SOURCE, is_unreachable, "not to be found")
    assert "ATL803" in condition_of(source)["message"]
    assert applied(source) == first


def test_a_cache_that_is_lost_is_fetched_anew(stage: Stage) -> None:
    started(stage)
    shutil.rmtree(stage.folder / "one")
    stage.until_applied(stage.push(RED_AND_BLUE))


def test_a_cache_that_is_damaged_is_fetched_anew(stage: Stage) -> None:
    started(stage)
    (cache,) = (stage.folder / "one").glob("*.git")
    for path in (cache / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"damaged")
    stage.until_applied(stage.push(RED_AND_BLUE))


def test_a_repository_with_10000_files(stage: Stage) -> None:
    """200 networks among the manifests of applications, as in a repository that serves Flux, too."""
    (node,) = stage.nodes(1)
    files = {f"apps/app-{n % 100}/{n}.yaml": MANIFEST % n for n in range(9_799)}  # 10,000 with the rest
    files |= {f"networks/{n}.yaml": NETWORK % (n, n) for n in range(200)}
    files |= {"cluster.yaml": RED["cluster.yaml"]}
    first = commit_at_once(stage.repository, files)
    stage.pod("web", node, "net-7")
    stage.follow()
    stage.controller()
    stage.twin(node)
    stage.until_applied(first)
    stage.until(network_ref("net-7"), lambda it: status_of(it).get("pods") == 1, "with its pod")
    entries = stage.get(SOURCE)["status"]["inventory"]["entries"]
    assert len(entries) == 201
    del files["apps/app-0/0.yaml"]
    second = commit_at_once(stage.repository, files | {"networks/200.yaml": NETWORK % (200, 200)})
    stage.request(SOURCE)
    stage.until_applied(second)


MANIFEST = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app-%d}\n"
NETWORK = b"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: net-%d, namespace: team-a}
spec: {subnets: [10.1.%d.0/24]}
"""


def commit_at_once(bench: DiskWorkbench, files: dict[str, bytes]) -> str:
    """With one git process for all files instead of one for each."""
    parts = [b"commit refs/heads/main\ncommitter a <a@example.com> 0 +0000\ndata 1\nx\ndeleteall\n"]
    for path, content in files.items():
        parts += [b"M 100644 inline %s\ndata %d\n" % (path.encode(), len(content)), content, b"\n"]
    bench.git("fast-import", "--quiet", "--force", data=b"".join(parts))
    return bench.git("rev-parse", "refs/heads/main")


@pytest.fixture
def keys(tmp_path: Path) -> SshKeys:
    folder = tmp_path / "keys"
    folder.mkdir()
    return SshKeys(folder)


def test_a_commit_without_an_allowed_signature_is_refused_until_a_good_one_comes(
    stage: Stage, keys: SshKeys
) -> None:
    stage.repository = DiskWorkbench(stage.folder / "signed", keys)
    stage.put_secret("signers", {"alice.pub": keys.public("alice")})
    verify = {"mode": "ssh", "keysFrom": {"kind": "Secret", "name": "signers"}}
    first = stage.repository.commit(RED, signer="alice")
    stage.follow({"url": stage.host.url("signed/remote"), "verify": verify})
    stage.controller()
    stage.until_applied(first)
    assert condition_of(stage.get(SOURCE), "SourceVerified")["status"] == "True"

    unsigned = stage.push(RED_AND_BLUE)
    source = stage.until(SOURCE, lambda it: reason_of(it) == "VerificationFailed", "refused")
    assert condition_of(source, "SourceVerified")["status"] == "False"
    assert applied(source) == first
    assert unsigned[:12] in stage.until_told(SOURCE, "VerificationFailed")

    stage.repository.commit(RED_AND_BLUE, amend=True, signer="mallory")
    stage.request(SOURCE)
    stage.until(
        SOURCE,
        lambda it: "ATL811" in [one["code"] for one in it["status"].get("problems", ())],
        "refused for the key",
    )
    good = stage.repository.commit(RED_AND_BLUE, amend=True, signer="alice")
    stage.request(SOURCE)
    stage.until_applied(good)
    assert condition_of(stage.get(SOURCE), "SourceVerified")["status"] == "True"
