"""Where the control plane's binaries come from, without starting any."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cli.lab.control_plane import Binaries, NoControlPlane

SCRIPT = Path(__file__).parent.parent.parent / "tools" / "control_plane.sh"
REMEDY = "run `make test-cluster`, or set ATOLL_CONTROL_PLANE to what tools/control_plane.sh prints last"


def folder_with(path: Path, *programs: str) -> Path:
    for program in programs:
        (path / program).touch(mode=0o755)
    return path


def test_the_environment_names_the_folder(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "etcd", "kube-apiserver")
    assert Binaries.named_by({"ATOLL_CONTROL_PLANE": str(folder)}).path("etcd") == folder / "etcd"


def test_an_environment_that_names_none_is_told_what_to_do() -> None:
    with pytest.raises(NoControlPlane) as caught:
        Binaries.named_by({})
    assert str(caught.value) == (
        f"no kube-apiserver and etcd: ATOLL_CONTROL_PLANE is not set. To mend it, {REMEDY}"
    )


def test_a_folder_without_them_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoControlPlane) as caught:
        Binaries.named_by({"ATOLL_CONTROL_PLANE": str(folder_with(tmp_path, "etcd"))})
    assert str(caught.value) == (
        f"ATOLL_CONTROL_PLANE={tmp_path} holds no kube-apiserver. To mend it, {REMEDY}"
    )


def test_kubectl_may_be_missing_until_it_is_asked_for(tmp_path: Path) -> None:
    folder_with(tmp_path, "etcd", "kube-apiserver")
    binaries = Binaries.named_by({"ATOLL_CONTROL_PLANE": str(tmp_path)})
    with pytest.raises(NoControlPlane, match=r"holds no kubectl: add it there, or unset KUBEBUILDER_ASSETS"):
        binaries.path("kubectl")


def search(assets: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBEBUILDER_ASSETS": str(assets)}
    return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=True)


def test_kubebuilders_assets_are_taken(tmp_path: Path) -> None:
    found = search(folder_with(tmp_path, "etcd", "kube-apiserver", "kubectl", "helm"))
    assert (found.stdout, found.stderr) == (f"{tmp_path}\n", "")


def test_what_kubebuilders_assets_lack_is_said(tmp_path: Path) -> None:
    found = search(folder_with(tmp_path, "etcd", "kube-apiserver", "kubectl"))
    assert found.stdout == f"{tmp_path}\n"
    assert found.stderr == f"control plane: no helm in {tmp_path}: the chart's tests will be skipped\n"
