"""Programs that the tests need, built from Go modules once; the Go is a stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

TOOLS = Path(__file__).parent.parent.parent / "tools"
GO = """#!/bin/sh
echo "$@" >>{folder}/calls
case $1 in
build)
	[ ! -e {folder}/broken ] || exit 1
	while [ "$1" != -o ]; do shift; done
	touch "$2"/server "$2"/helm "$2"/kube-apiserver "$2"/kubectl "$2"/kubelet "$2"/coredns
	chmod +x "$2"/*
	;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    folder: Path
    script: str

    def run(self) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.folder / "cache")}
        command = [self.folder / "tools" / self.script]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    @property
    def builds(self) -> int:
        calls = (self.folder / "calls").read_text().splitlines()
        return sum(call.startswith("build ") for call in calls)


@pytest.fixture(params=["kubelet.sh", "control_plane.sh"])
def checkout(tmp_path: Path, request: pytest.FixtureRequest) -> Checkout:
    shutil.copytree(TOOLS, tmp_path / "tools")
    go = tmp_path / "go"
    go.write_text(GO.format(folder=tmp_path))
    go.chmod(0o755)
    finds = tmp_path / "tools" / "go.sh"
    finds.write_text(f"#!/bin/sh\necho {go}\n")
    finds.chmod(0o755)
    return Checkout(tmp_path, request.param)


def test_what_was_built_once_is_found_again(checkout: Checkout) -> None:
    first, again = checkout.run(), checkout.run()
    assert (first.returncode, again.returncode, checkout.builds) == (0, 0, 1)
    assert first.stdout == again.stdout
    programs = {path.name for path in Path(first.stdout.strip()).iterdir()}
    assert programs >= {"kubelet", "coredns"} or programs >= {"etcd", "kube-apiserver"}
    assert again.stderr == ""


def test_other_versions_are_built_beside(checkout: Checkout) -> None:
    first = checkout.run()
    for modules in ("kubelet", "controlplane"):
        with (checkout.folder / "tools" / modules / "go.mod").open("a") as file:
            file.write("// another state\n")
    assert checkout.run().stdout != first.stdout
    assert checkout.builds == 2
    assert Path(first.stdout.strip()).is_dir()


def test_a_build_that_fails_says_so_and_names_no_folder(checkout: Checkout) -> None:
    (checkout.folder / "broken").touch()
    failed = checkout.run()
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.endswith("the build failed: look at the messages above and run again\n")
    (checkout.folder / "broken").unlink()
    assert checkout.run().returncode == 0


def test_without_a_go_it_says_what_to_do(checkout: Checkout) -> None:
    (checkout.folder / "tools" / "go.sh").write_text("#!/bin/sh\nexit 1\n")
    failed = checkout.run()
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "there is no Go to build with: install Go 1.21 or newer" in failed.stderr
