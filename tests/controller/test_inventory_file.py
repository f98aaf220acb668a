"""An inventory file that is gone or holds no cluster is reported, and nothing is compiled from it."""

from __future__ import annotations

from pathlib import Path

from controller.inventory_file import InventoryFile, InventoryReading
from tests.controller.kubectl import inventory_json


def _lines(reading: InventoryReading | None) -> list[str]:
    assert reading is not None
    assert reading.inventory is None
    return [str(problem) for problem in reading.problems]


def test_a_file_that_is_not_there_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    source = InventoryFile(path=path)
    assert _lines(source.read_if_changed()) == [
        f"{path}: error ATL806: {path}: it cannot be read: No such file or directory. Write it with kubectl "
        "get nodes,namespaces,pods,services,endpointslices -A -o json."
    ]
    assert source.read_if_changed() is None


def test_a_list_without_nodes_is_no_cluster(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    path.write_text('{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret"}]}')
    assert _lines(InventoryFile(path=path).read_if_changed()) == [
        f"{path}: error ATL806: {path}: it holds no node, so it cannot be of a cluster. Write it with "
        "kubectl get nodes,namespaces,pods,services,endpointslices -A -o json."
    ]


def test_a_file_that_appears_is_read(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    source = InventoryFile(path=path)
    source.read_if_changed()
    path.write_bytes(inventory_json({}))
    reading = source.read_if_changed()
    assert reading is not None
    assert reading.inventory is not None
    assert reading.problems == ()
