"""The agent's kernel-free twin: the whole control path on a simulated kernel. It enforces nothing.

Nobody may take it for the real one: its status says so in every report, it attaches no pod, and
neither of the two starts on the other's state directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent import cni
from agent.cni import CniError, Request
from agent.datapath import Datapath
from agent.fake_kernel import FakeKernel
from agent.fake_nft import FakeNft
from agent.files import replace_file

WARNING: Final = (
    "this agent is the kernel-free twin: kernel and nftables are simulated, so nothing is enforced"
    " and no pod is attached; start it without --twin for a node that is to isolate pods"
)
_MARK: Final = "twin"
_OF_THE_REAL_ONE: Final = ("plan.json", "addresses")


class WrongState(Exception):
    """A state directory belongs to the other one. The text says what to do."""


def twin_datapath() -> Datapath:
    return Datapath(kernel=FakeKernel(), nft=FakeNft(), monitor=NoEvents, warnings=(WARNING,), twin=True)


def claim(state: Path, *, twin: bool) -> None:
    """Make sure that a state directory is the twin's, or is not. Raises WrongState."""
    mark = state / _MARK
    if mark.exists() and not twin:
        raise WrongState(
            f"{state} is the state of a kernel-free twin: give another directory by --state,"
            " or remove it with all that is in it"
        )
    if twin and not mark.exists():
        if any((state / name).exists() for name in _OF_THE_REAL_ONE):
            raise WrongState(
                f"{state} is the state of an agent that enforces: a twin needs a directory of its own,"
                " given by --state"
            )
        replace_file(mark, b"Made by `atoll agent --twin`, which enforces nothing.\n")


class NoEvents:
    """Nothing but this process touches a simulated kernel."""

    descriptors: tuple[int, ...] = ()

    def close(self) -> None:
        pass

    def links_touched(self) -> bool:
        return False

    def table_touched(self) -> bool:
        return False


class NoAttachments:
    """Every request is refused, DEL too: a real agent's pod must not seem to be gone."""

    def answer(self, request: Request) -> dict[str, object]:
        raise CniError(cni.NOT_AVAILABLE, WARNING)
