"""The CNI plugin on a node: put in place, kept there, and taken away."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.installation import Installation
from agent.installer import BETWEEN_SECONDS, QUARREL_SECONDS, Installer
from tests.agent.node import Clock

FLANNEL = """{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{"type": "flannel"},
 {"type": "portmap", "capabilities": {"portMappings": true, "somethingNew": true, "off": false}}]}"""
UNUSABLE = (
    "{",
    "[]",
    '{"plugins": [{"type": "ptp"}]}',
    '{"name": "", "plugins": [{"type": "ptp"}]}',
    '{"name": "a"}',
    '{"name": "a", "type": "ptp"}',
    '{"name": "a", "plugins": []}',
    '{"name": "a", "plugins": "ptp"}',
    '{"name": "a", "plugins": 7}',
    '{"name": "/etc", "plugins": [{"type": "ptp"}]}',
    '{"name": 7, "plugins": [{"type": "ptp"}]}',
    '{"name": "a", "plugins": [{"type": "ptp"}, {}]}',
    '{"name": "a", "plugins": [7]}',
)
MULTUS = """{"name": "multus", "type": "multus", "delegates": [{"plugins": [{"type": "atoll-cni"}]}]}"""


@dataclass
class Host:
    folder: Path

    def __post_init__(self) -> None:
        for name in ("conf", "bin"):
            (self.folder / name).mkdir()
        self.plugin = self.folder / "image-atoll-cni"
        self.plugin.write_bytes(b"first")
        self.installation = Installation(
            configurations=self.folder / "conf",
            binaries=self.folder / "bin",
            socket=Path("/run/atoll/agent.sock"),
            plan=Path("/var/lib/atoll/plan.json"),
            binary=self.plugin,
        )

    def conf(self, name: str, content: str = FLANNEL) -> Path:
        path = self.folder / "conf" / name
        path.write_text(content)
        return path

    @property
    def ours(self) -> Path:
        return self.folder / "conf" / "01-atoll.conflist"

    @property
    def binary(self) -> Path:
        return self.folder / "bin" / "atoll-cni"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_binary_and_configuration_are_put_in_place(host: Host) -> None:
    host.conf("10-flannel.conflist")
    assert host.installation.put()
    assert host.installation.trouble is None
    assert host.binary.read_bytes() == b"first"
    assert host.binary.stat().st_mode & 0o777 == 0o755
    assert json.loads(host.ours.read_text()) == {
        "cniVersion": "1.0.0",
        "cniVersions": ["1.0.0", "1.1.0"],
        "name": "atoll",
        "plugins": [
            {
                "type": "atoll-cni",
                "socket": "/run/atoll/agent.sock",
                "plan": "/var/lib/atoll/plan.json",
                "confDir": str(host.folder / "conf"),
                "defaultNetwork": "",
                "capabilities": {
                    "aliases": True,
                    "bandwidth": True,
                    "cgroupPath": True,
                    "deviceID": True,
                    "dns": True,
                    "infinibandGUID": True,
                    "io.kubernetes.cri.pod-annotations": True,
                    "ipRanges": True,
                    "ips": True,
                    "mac": True,
                    "portMappings": True,
                    "somethingNew": True,
                },
            }
        ],
    }


def test_what_is_in_place_is_left_alone(host: Host) -> None:
    host.conf("10-flannel.conflist")
    host.installation.put()
    before = (host.ours.stat().st_ino, host.binary.stat().st_ino)
    assert not host.installation.put()
    assert (host.ours.stat().st_ino, host.binary.stat().st_ino) == before


def test_a_binary_that_cannot_be_executed_is_put_in_place_again(host: Host) -> None:
    host.conf("10-flannel.conflist")
    host.installation.put()
    host.binary.chmod(0o644)
    assert host.installation.put()
    assert host.binary.stat().st_mode & 0o777 == 0o755


def test_a_binary_that_just_runs_is_replaced_and_runs_on(host: Host) -> None:
    host.conf("10-flannel.conflist")
    host.plugin.write_bytes(Path("/bin/sleep").read_bytes())
    host.installation.put()
    with subprocess.Popen([host.binary, "600"]) as running:
        host.plugin.write_bytes(b"second")
        assert host.installation.put()
        assert host.binary.read_bytes() == b"second"
        assert running.poll() is None
        running.kill()


def test_without_a_default_network_nothing_is_installed_and_the_node_is_not_ready(host: Host) -> None:
    host.conf("readme.txt")
    for number, content in enumerate(UNUSABLE):
        host.conf(f"{number}.conflist", content)
    host.conf("10-list.conf")
    assert not host.installation.put()
    assert not host.ours.exists()
    assert host.installation.trouble == (
        f"{host.folder / 'conf'} holds no configuration of a default network yet: install the cluster's CNI"
    )


def test_what_is_installed_stays_when_the_default_network_goes(host: Host) -> None:
    flannel = host.conf("10-flannel.conflist")
    host.installation.put()
    flannel.unlink()
    host.plugin.write_bytes(b"second")
    assert host.installation.put()
    assert host.ours.exists()
    assert host.binary.read_bytes() == b"second"
    assert host.installation.trouble is not None


def test_a_default_network_that_is_rewritten_with_other_capabilities_is_followed(host: Host) -> None:
    host.conf("10-flannel.conflist", '{"name": "cbr0", "plugins": [{"type": "flannel"}]}')
    host.installation.put()
    host.conf("10-flannel.conflist", FLANNEL)
    assert host.installation.put()
    assert "somethingNew" in host.ours.read_text()


def test_a_default_network_may_be_named(host: Host) -> None:
    host.conf("10-flannel.conflist")
    named = replace(host.installation, default_network="mynet")
    assert named.trouble == (
        f"{host.folder / 'conf'} holds no configuration of a default network of the name mynet yet:"
        " install the cluster's CNI"
    )
    for right in ("cbr0", "10-flannel.conflist"):
        one = replace(host.installation, default_network=right)
        one.put()
        assert one.trouble is None


def test_a_file_that_comes_before_ours_is_trouble(host: Host) -> None:
    host.conf("00-meta.conflist")
    host.installation.put()
    assert host.installation.trouble == (
        f"{host.folder / 'conf' / '00-meta.conflist'} comes before 01-atoll.conflist, so that pods"
        " of networks would start on the default network: rename it"
    )


def test_a_file_that_comes_before_ours_is_trouble_whatever_the_default_network_is_called(host: Host) -> None:
    host.conf("00-meta.conflist")
    host.conf("10-calico.conflist", '{"name": "calico", "plugins": [{"type": "calico"}]}')
    named = replace(host.installation, default_network="calico")
    named.put()
    assert named.trouble is not None
    assert named.trouble.startswith(f"{host.folder / 'conf' / '00-meta.conflist'} comes before ")


def test_a_default_network_may_have_its_plugins_in_files_of_its_own(host: Host) -> None:
    host.conf("10-net.conflist", '{"name": "net", "cniVersion": "1.1.0"}')
    assert not host.installation.put()
    (host.folder / "conf" / "net").mkdir()
    host.conf("net/10-ptp.conf", '{"type": "ptp", "capabilities": {"somethingNew": true}}')
    assert host.installation.put()
    assert "somethingNew" in host.ours.read_text()


def test_multus_before_ours_is_right_where_it_calls_ours(host: Host) -> None:
    host.conf("00-multus.conf", MULTUS)
    assert not host.installation.put()  # it is no default network: it would call ours in a circle
    host.conf("10-flannel.conflist")
    assert host.installation.put()
    assert host.installation.trouble is None


@pytest.mark.parametrize(
    ("says", "versions"),
    [
        ("{}", ["1.0.0"]),
        ('{"cniVersion": "0.3.1"}', ["1.0.0"]),
        ('{"cniVersion": "1.1.0"}', ["1.0.0", "1.1.0"]),
        ('{"cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"]}', ["1.0.0", "1.1.0"]),
        ('{"cniVersions": 7}', ["1.0.0"]),
    ],
)
def test_below_multus_ours_is_called_by_no_newer_version_than_multus_itself(
    host: Host, says: str, versions: list[str]
) -> None:
    host.conf("10-flannel.conflist")
    host.installation.put()
    host.conf("00-multus.conf", json.dumps({**json.loads(MULTUS), **json.loads(says)}))
    host.installation.put()
    assert json.loads(host.ours.read_text())["cniVersions"] == versions


def test_removing_takes_both_away_and_nothing_else(host: Host) -> None:
    host.conf("10-flannel.conflist")
    host.installation.put()
    assert host.installation.remove()
    assert [path.name for path in (host.folder / "conf").iterdir()] == ["10-flannel.conflist"]
    assert list((host.folder / "bin").iterdir()) == []
    assert not host.installation.remove()


def test_what_another_program_removes_comes_back_but_not_in_a_circle(host: Host) -> None:
    clock = Clock()
    installer = Installer(host.installation, clock=clock)
    assert installer.trouble == "the CNI plugin is not installed yet"
    host.conf("10-flannel.conflist")
    assert installer.step() is None
    assert installer.trouble is None
    for _ in range(3):
        host.ours.unlink()
        assert installer.step() == BETWEEN_SECONDS
        assert installer.trouble is not None
        clock.now += BETWEEN_SECONDS
        assert installer.step() is None
        assert host.ours.exists()
    assert installer.trouble == (
        f"another program removes what is installed in {host.folder / 'conf'};"
        " of Cilium, set cni.exclusive=false"
    )
    clock.now += QUARREL_SECONDS
    installer.step()
    assert installer.trouble is None
    installer.close()


def test_a_directory_that_cannot_be_written_is_told(host: Host) -> None:
    host.conf("10-flannel.conflist")
    installer = Installer(replace(host.installation, binaries=host.folder / "missing"), clock=Clock())
    installer.step()
    assert installer.trouble is not None
    assert installer.trouble.startswith("the CNI plugin cannot be installed: ")
    installer.close()


def test_an_agent_that_is_not_to_install_has_no_trouble(tmp_path: Path) -> None:
    installer = Installer(None, clock=Clock())
    assert installer.step() is None
    assert installer.trouble is None
