"""What `atoll agent` says where it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import atoll


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--node", "Foo Bar"],
            3,
            "'Foo Bar' (--node): no Node can have this name. Give the Node's own, of `kubectl get nodes`.",
        ),
        (
            [],
            3,
            "no source of plans: this is not a pod of a cluster (KUBERNETES_SERVICE_HOST is not set). Give"
            " --kubeconfig FILE, or --plans DIR of a controller without a cluster.",
        ),
        (["--kubeconfig", "missing"], 3, "missing: not a usable kubeconfig: "),
        (["--plans", "p", "--kubeconfig", "k"], 2, "--plans and --kubeconfig: a plan has one source"),
        (["--plans", "p", "--metrics-address", "9293"], 2, "--metrics-address: '9293' is not an address"),
        (["--plans", "p", "--metrics-address", ":65536"], 2, "Write it as :8080 or [::1]:8080."),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(arguments: list[str], code: int, message: str) -> None:
    outcome = atoll("agent", "--node", "node-a", *arguments)
    assert outcome.code == code
    assert message in outcome.errors


def test_an_address_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    arguments = ("--twin", "--plans", tmp_path, "--state", tmp_path / "state", "--socket", tmp_path / "s")
    outcome = atoll("agent", "--node", "node-a", *arguments, "--metrics-address", "192.0.2.1:9293")
    assert outcome.code == 3
    assert "cannot start: cannot listen on 192.0.2.1:9293: " in outcome.errors


def test_a_twin_refuses_the_state_of_an_agent_that_enforces(tmp_path: Path) -> None:
    (tmp_path / "addresses").write_text("")
    outcome = atoll("agent", "--node", "node-a", "--twin", "--plans", tmp_path, "--state", tmp_path)
    assert outcome.code == 3
    assert f"cannot start: {tmp_path} is the state of an agent that enforces" in outcome.errors


def test_the_plugin_is_installed_and_taken_away_by_hand(tmp_path: Path) -> None:
    conf, binaries, plugin = tmp_path / "conf", tmp_path / "bin", tmp_path / "atoll-cni"
    for folder in (conf, binaries):
        folder.mkdir()
    plugin.write_bytes(b"plugin")
    places = ("--cni-conf", conf, "--cni-bin", binaries)
    refused = atoll("agent", "install-cni", *places, "--cni-binary", plugin)
    assert refused.code == 3
    assert f"{conf} holds no configuration of a default network yet" in refused.errors
    (conf / "10-plain.conf").write_text('{"name": "plain", "type": "ptp"}')
    assert atoll("agent", "install-cni", *places, "--cni-binary", plugin).code == 0
    assert {path.name for path in (*conf.iterdir(), *binaries.iterdir())} == {
        "01-atoll.conflist",
        "10-plain.conf",
        "atoll-cni",
    }
    assert atoll("agent", "uninstall-cni", *places).code == 0
    assert [path.name for path in (*conf.iterdir(), *binaries.iterdir())] == ["10-plain.conf"]
