"""The two kernels under the contract, and what another hand can do to each."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Protocol

from agent.fake_kernel import FakeKernel, ForeignLink
from agent.kernel import Kernel
from agent.links import Links
from agent.sysctls import LINK_SETTINGS, ROOT
from cli.lab.namespace import Namespace
from compiler.layout import Layout, LinkKind

_numbers = itertools.count(1)


class Bench(Protocol):
    """A kernel and its surroundings."""

    @property
    def kernel(self) -> Kernel: ...

    def add_foreign_link(self, name: str, group: int) -> None: ...

    def foreign_links(self) -> set[str]: ...

    def settings_of(self, link: str) -> str:
        """The sysctls of a link, in whatever words."""

    def set_down(self, name: str) -> None: ...

    def new_pod(self) -> str:
        """Path of a fresh pod namespace."""


class FakeBench:
    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.kernel.namespaces = set()

    def add_foreign_link(self, name: str, group: int) -> None:
        self.kernel.foreign[name] = ForeignLink(name=name, group=group)

    def foreign_links(self) -> set[str]:
        return set(self.kernel.foreign)

    def settings_of(self, link: str) -> str:
        return ""  # the simulated kernel has none

    def set_down(self, name: str) -> None:
        self.kernel.set_down(name)

    def new_pod(self) -> str:
        path = f"/run/netns/pod{next(_numbers)}"
        assert self.kernel.namespaces is not None
        self.kernel.namespaces.add(path)
        return path


class RealBench:
    """In a namespace of its own, which the calling thread is in."""

    def __init__(self, node: Namespace) -> None:
        self._node = node
        self._foreign: set[str] = set()
        self.pods: list[Namespace] = []
        self.kernel = Links()

    def add_foreign_link(self, name: str, group: int) -> None:
        kind = ("type", "vxlan", "id", str(next(_numbers)), "dstport", "4789")
        self._node.run("ip", "link", "add", name, "group", str(group), *kind)
        self._foreign.add(name)

    def foreign_links(self) -> set[str]:
        listed = self._node.run("ip", "-brief", "link")
        return {line.split()[0] for line in listed.splitlines()} & self._foreign

    def settings_of(self, link: str) -> str:
        files = [ROOT / family / "conf" / link / name for family, name, _ in LINK_SETTINGS]
        return " ".join(file.read_text() for file in files)

    def set_down(self, name: str) -> None:
        self._node.run("ip", "link", "set", name, "down")

    def change_rules(self, *commands: str) -> None:
        """As ip(8) takes them after `rule`."""
        self._node.ip("".join(f"rule {command}\n" for command in commands))

    def rules(self) -> list[str]:
        return self._node.run("ip", "-4", "rule").splitlines()

    def close(self) -> None:
        self.kernel.close()
        for pod in self.pods:
            pod.close()

    def new_pod(self) -> str:
        pod = Namespace(f"contract-{os.getpid()}-{next(_numbers)}")
        self.pods.append(pod)
        return str(pod.path)


@contextmanager
def real_bench() -> Iterator[RealBench]:
    with ExitStack() as cleanup:
        node = Namespace(f"contract-{os.getpid()}-{next(_numbers)}")
        cleanup.callback(node.close)
        cleanup.enter_context(node.entered())
        bench = RealBench(node)
        cleanup.callback(bench.close)
        yield bench


def without_vrfs(layout: Layout) -> Layout:
    """What of a layout a kernel can hold that has no VRFs: few CI machines do.

    Without a VRF both ends of a host link are the node's, and neither can be the other's gateway.
    """
    return replace(
        layout,
        links=frozenset(replace(link, master=None) for link in layout.links if link.kind is not LinkKind.VRF),
        routes=frozenset(
            route for route in layout.routes if not str(route.link).startswith(("ah", "hh", "vn"))
        ),
    )
