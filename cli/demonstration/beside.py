"""Runs a command with the demo's control plane beside it: `python -m cli.demonstration.beside COMMAND...`.

There is that of the demo, and a plain one. Each starts when the command first asks for it, so it costs
nothing before. This is how tests on a real kernel have a real API server, though their kernel may be a
virtual machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cli.demonstration import liaison, plain_cluster
from cli.demonstration.cluster_demo import end
from cli.demonstration.headquarters import OwnHeadquarters
from cli.demonstration.liaison import Switchboard
from cli.demonstration.plain_cluster import OwnPlainCluster
from cli.lab.control_plane import Binaries, NoControlPlane

_TEMPLATE = Path(__file__).resolve().parents[2] / "repo-template"


class Chief(Protocol):
    """A control plane that has not begun yet."""

    def open(self) -> Iterator[str]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    environment: str
    """The variable that names it to the command."""
    switchboard: Switchboard
    chief: Chief


def main(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Returns the command's status."""
    try:
        binaries = Binaries.named_by(environment)
    except NoControlPlane as missing:
        print(f"without a control plane: {missing}", file=sys.stderr)
        return subprocess.run(command, env=environment, check=False).returncode
    folder = Path(tempfile.mkdtemp(prefix="atoll-beside-"))
    lines = _lines(folder, binaries)
    urls = {line.environment: line.switchboard.url for line in lines}
    child = subprocess.Popen(command, env={**environment, **urls})
    try:
        return _accompanied(child, lines)
    finally:
        end(child)
        for line in lines:
            line.switchboard.close()
            line.chief.close()
        shutil.rmtree(folder, ignore_errors=True)


def _lines(folder: Path, binaries: Binaries) -> tuple[_Line, ...]:
    (folder / "demo").mkdir()
    demo = OwnHeadquarters(folder / "demo", _TEMPLATE, binaries)
    plain = OwnPlainCluster(folder / "plain", binaries)
    return (
        _Line(environment=liaison.ENVIRONMENT, switchboard=Switchboard(), chief=demo),
        _Line(
            environment=plain_cluster.ENVIRONMENT,
            switchboard=Switchboard(plain_cluster.METHODS),
            chief=plain,
        ),
    )


def _accompanied(child: subprocess.Popen[bytes], lines: Sequence[_Line]) -> int:
    errors: list[BaseException] = []
    threads = [
        threading.Thread(target=_serve, args=(line, child, errors), name=line.environment) for line in lines
    ]
    for thread in threads:
        thread.start()
    status = child.wait()
    for line, thread in zip(lines, threads, strict=True):
        line.switchboard.called.set()
        thread.join()
    if errors:
        raise errors[0]
    return status


def _serve(line: _Line, child: subprocess.Popen[bytes], errors: list[BaseException]) -> None:
    """Begins with the first call, if there is one before the command's end."""
    line.switchboard.called.wait()
    if child.poll() is not None:
        return
    try:
        for _step in line.chief.open():
            pass
        line.switchboard.connect(line.chief)
    except BaseException as error:  # the command would wait for ever
        errors.append(error)
        end(child)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
