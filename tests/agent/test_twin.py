from __future__ import annotations

from pathlib import Path

import pytest

from agent.cni import NOT_AVAILABLE, CniError, Command
from agent.twin import WARNING, NoAttachments, WrongState, claim, twin_datapath
from tests.agent.node import request


@pytest.mark.parametrize("command", list(Command))
def test_no_request_of_the_plugin_succeeds(command: Command) -> None:
    with pytest.raises(CniError) as caught:
        NoAttachments().answer(request(command))
    assert (caught.value.code, caught.value.message) == (NOT_AVAILABLE, WARNING)


def test_its_datapath_says_what_it_is() -> None:
    assert twin_datapath().warnings == (
        "this agent is the kernel-free twin: kernel and nftables are simulated, so nothing is enforced"
        " and no pod is attached; start it without --twin for a node that is to isolate pods",
    )


def test_a_fresh_state_becomes_the_twins_and_stays_it(tmp_path: Path) -> None:
    claim(tmp_path, twin=True)
    (tmp_path / "plan.json").write_text("{}")
    claim(tmp_path, twin=True)


def test_an_agent_that_enforces_does_not_start_on_a_twins_state(tmp_path: Path) -> None:
    claim(tmp_path, twin=True)
    with pytest.raises(WrongState) as caught:
        claim(tmp_path, twin=False)
    assert str(caught.value) == (
        f"{tmp_path} is the state of a kernel-free twin: give another directory by --state,"
        " or remove it with all that is in it"
    )


@pytest.mark.parametrize("name", ["plan.json", "addresses"])
def test_a_twin_does_not_start_on_the_state_of_an_agent_that_enforces(tmp_path: Path, name: str) -> None:
    claim(tmp_path, twin=False)
    (tmp_path / name).write_text("")
    with pytest.raises(WrongState) as caught:
        claim(tmp_path, twin=True)
    assert str(caught.value) == (
        f"{tmp_path} is the state of an agent that enforces: a twin needs a directory of its own,"
        " given by --state"
    )
