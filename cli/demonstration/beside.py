"""Runs a command with the demo's control plane beside it: `python -m cli.demonstration.beside COMMAND...`.

The control plane starts when the command first asks for it, so it costs nothing before. This is how tests
on a real kernel have a real API server, though their kernel may be a virtual machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.demonstration.cluster_demo import end
from cli.demonstration.headquarters import OwnHeadquarters
from cli.demonstration.liaison import ENVIRONMENT, Switchboard
from cli.lab.control_plane import Binaries, NoControlPlane

_TEMPLATE = Path(__file__).resolve().parents[2] / "repo-template"


def main(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Returns the command's status."""
    try:
        binaries = Binaries.named_by(environment)
    except NoControlPlane as missing:
        print(f"without a control plane: {missing}", file=sys.stderr)
        return subprocess.run(command, env=environment, check=False).returncode
    folder = Path(tempfile.mkdtemp(prefix="atoll-beside-"))
    headquarters = OwnHeadquarters(folder, _TEMPLATE, binaries)
    switchboard = Switchboard()
    child = subprocess.Popen(command, env={**environment, ENVIRONMENT: switchboard.url})
    try:
        return _accompanied(child, switchboard, headquarters)
    finally:
        end(child)
        switchboard.close()
        headquarters.close()
        shutil.rmtree(folder, ignore_errors=True)


def _accompanied(
    child: subprocess.Popen[bytes], switchboard: Switchboard, headquarters: OwnHeadquarters
) -> int:
    def await_end() -> None:
        child.wait()
        switchboard.called.set()

    threading.Thread(target=await_end, name="command", daemon=True).start()
    switchboard.called.wait()
    if child.poll() is None:
        for _step in headquarters.open():
            pass
        switchboard.connect(headquarters)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
