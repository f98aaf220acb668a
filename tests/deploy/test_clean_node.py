"""The script that cleans a node takes away what is Atoll's, and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "clean-node.sh"
NODE = """
ip link add ah7 type veth peer name hh7
ip link add at15b4d48a8c2b type veth peer name eth0
ip link add at-home type veth peer name vn-lan
nft add table inet atoll
nft add table inet firewall
for family in -4 -6; do
  ip $family rule add preference 50 l3mdev protocol 65
  ip $family rule add preference 60 lookup local protocol 65
  ip $family rule add preference 61 iif lo lookup 1000000 protocol 65
  ip $family rule delete preference 0
  ip $family rule add preference 100 from all lookup 200 protocol 4
done
"""
LOOK = """
echo $(ip -o link | sed -E 's/^[0-9]+: ([^@:]+).*/\\1/' | sort)
echo $(ip -4 rule) $(ip -6 rule)
echo $(nft list tables)
"""
RULES = "0: from all lookup local 100: from all lookup 200 proto static 32766: from all lookup main"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network namespace to clean")
def test_a_node_is_as_it_was_before_atoll(tmp_path: Path) -> None:
    state, socket, cache = tmp_path / "state", tmp_path / "socket", tmp_path / "cache"
    for folder in (state, socket, cache):
        folder.mkdir()
        (folder / "file").touch()
    for plugin in ("atoll-cni", "01-atoll.conflist"):
        (tmp_path / plugin).touch()
    commands = f"set -e; {NODE}\n{SCRIPT}\n{SCRIPT}\n{LOOK}"  # a second time does no harm
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", commands],
        env={
            "PATH": path,
            "STATE": str(state),
            "SOCKET": str(socket),
            "CNI_CONF": str(tmp_path),
            "CNI_BIN": str(tmp_path),
            "CNI_CACHE": str(cache),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    links, rules, tables = done.stdout.splitlines()
    assert links == "at-home lo vn-lan"
    assert rules == f"{RULES} 32767: from all lookup default {RULES}"
    assert tables == "table inet firewall"
    assert list(tmp_path.iterdir()) == []
