"""Commits that teams would make, one kind after the other, into a repository that a Git host serves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cluster_load
from benchmarks.synthetic_cluster import network_file, router_file
from compiler.names import ObjectName

AWAITED = "awaited"
"""The network that a commit adds, and that pods of its namespace wait for already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """What one commit changes."""

    kind: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkTree:
    """Where commits are made, and the bare repository that they are pushed to."""

    folder: Path
    remote: Path

    def begin(self, files: Mapping[str, bytes]) -> str:
        self.folder.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("remote", "add", "origin", str(self.remote))
        return self.commit(Edit(kind="the first", files=files))

    def commit(self, edit: Edit) -> str:
        """Returns the commit, which nobody else has yet."""
        for path, content in edit.files.items():
            (self.folder / path).parent.mkdir(exist_ok=True)
            (self.folder / path).write_bytes(content)
        self._git("add", "--all")
        self._git(
            "-c", "user.name=Team", "-c", "user.email=team@example.org", "commit", "--quiet", "-m", edit.kind
        )
        return self._git("rev-parse", "HEAD").strip()

    def push(self) -> None:
        self._git("push", "--quiet", "origin", "main")

    def _git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout


def edits(*, first: int, rounds: int) -> Iterator[Edit]:
    """Each kind once for each of `rounds` teams from the `first` on, whose networks are as they began."""
    for team in range(first, first + rounds):
        yield from _of_a_team(team)


def setting(mtu: int) -> Edit:
    """What changes the plan of every node."""
    return Edit(kind="a setting of all nodes", files={"cluster.yaml": cluster_load.config(mtu=mtu)})


def _of_a_team(team: int) -> Iterator[Edit]:
    folder = f"team-{team:03}"

    def one(kind: str, name: str, content: bytes) -> Edit:
        return Edit(kind=kind, files={f"{folder}/{name}.yaml": content})

    yield one("a router over three networks", "alone", router_file(team, "mesh", "alone"))
    both = (("alone", "mesh"), ("mesh", "alone"))
    yield Edit(
        kind="two routers import each other",
        files={f"{folder}/{role}.yaml": router_file(team, "mesh", role, other) for role, other in both},
    )
    yield one("a network that 20 pods wait for", AWAITED, awaited(team))
    yield one("a subnet more", "net-9", with_subnet(team, 9))
    yield one("egress", "net-8", with_line(team, 8, "  egress: snat"))
    yield one("infrastructure narrowed", "net-0", with_line(team, 0, "  infrastructure: {services: []}"))


def awaited(team: int) -> bytes:
    return f"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: {AWAITED}, namespace: team-{team:03}}}
spec:
  subnets: [10.100.0.0/16, "fd00:{team:x}:64::/64"]
""".encode()


def with_subnet(team: int, index: int) -> bytes:
    before = network(team, index).decode()
    return before.replace("subnets: [", f"subnets: [10.{200 + index}.0.0/16, ").encode()


def with_line(team: int, index: int, line: str) -> bytes:
    return network(team, index) + f"{line}\n".encode()


def network(team: int, index: int) -> bytes:
    return network_file(ObjectName(namespace=f"team-{team:03}", name=f"net-{index}"))
