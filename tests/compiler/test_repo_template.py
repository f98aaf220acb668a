"""The repository template: it has no problem, does what its README says, and edits well."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import schemas
from compiler.inventory import Namespace
from compiler.model import Declarations
from compiler.names import ObjectName
from compiler.parse import parse
from compiler.resolve import resolve

ROOT = Path(__file__).parents[2] / "repo-template"
FILES = {str(path.relative_to(ROOT)): path.read_bytes() for path in ROOT.rglob("*") if path.is_file()}
DECLARING = sorted(path for path in FILES if path.endswith(".yaml") and not path.startswith("."))
NAMESPACES = {
    name: Namespace(name=name, labels={"kubernetes.io/metadata.name": name, "team": name})
    for name in ("shared-services", "shop", "payments", "analytics", "shop-batch")
} | {"shop-batch": Namespace(name="shop-batch", labels={"team": "shop"})}


def template() -> Declarations:
    parsed = parse(FILES, revision="")
    assert [str(problem) for problem in parsed.problems] == []
    assert parsed.declarations is not None
    return parsed.declarations


def test_it_declares_a_hub_two_spokes_and_a_mesh_of_two() -> None:
    declarations = template()
    assert [str(network.name) for network in declarations.networks] == [
        "analytics/reports",
        "analytics/warehouse",
        "payments/ledger",
        "shared-services/platform",
        "shop/storefront",
    ]
    assert [f"{router.name} {router.type}" for router in declarations.routers] == [
        "analytics/joined mesh",
        "payments/spoke spoke",
        "shared-services/hub hub",
        "shop/spoke spoke",
    ]


def test_every_network_is_dual_stack() -> None:
    for network in template().networks:
        assert [subnet.prefix.version for subnet in network.subnets] == [4, 6]


def test_two_networks_overlap_without_harm() -> None:
    subnets = {str(network.name): [s.prefix for s in network.subnets] for network in template().networks}
    assert subnets["analytics/reports"] == subnets["shop/storefront"]


def test_nothing_in_it_is_without_effect_or_waiting() -> None:
    resolution = resolve(template(), NAMESPACES)
    assert [str(problem) for problem in resolution.problems] == []
    assert resolution.waiting == ()


def test_the_table_of_its_readme_is_what_it_does() -> None:
    table = re.findall(r"^\| \*\*(.+?)\*\* \|(.+)\|$", FILES["README.md"].decode(), re.MULTILINE)
    names = [ObjectName.parse(name, default_namespace="") for name, _ in table]
    said = {
        (row, column)
        for row, (_, cells) in zip(names, table, strict=True)
        for column, cell in zip(names, cells.split("|"), strict=True)
        if cell.strip() == "yes"
    }
    resolution = resolve(template(), NAMESPACES)
    assert said == {(a, b) for a in names for b in names if resolution.may_talk(a, b)}
    assert len(said) == 11


@pytest.mark.parametrize("path", DECLARING)
def test_every_file_names_the_schema_of_its_kind(path: str) -> None:
    modeline, _, text = FILES[path].decode().partition("\n")
    target = (ROOT / path).parent / modeline.removeprefix("# yaml-language-server: $schema=")
    kinds = {document["kind"] for document in YAML(typ="safe", pure=True).load_all(text)}
    assert {json.loads(target.read_text(encoding="utf-8"))["title"]} == kinds


def test_its_schemas_are_ours() -> None:
    names = sorted(path.name for path in (ROOT / ".schemas").iterdir())
    assert names == [
        "clusterconfig.json",
        "reviewpolicy.json",
        "virtualnetwork.json",
        "virtualnetworkrouter.json",
    ]
    for name in names:
        assert (ROOT / ".schemas" / name).read_text(encoding="utf-8") == schemas.text(name)


def test_the_editor_finds_the_schema_of_every_file() -> None:
    settings = json.loads(FILES[".vscode/settings.json"])
    covered: set[str] = set()
    for schema, pattern in settings["yaml.schemas"].items():
        assert schema in FILES
        covered |= {str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)}
    assert covered == set(DECLARING)


def test_every_directory_of_networks_has_owners() -> None:
    owned = re.findall(r"^(/networks/\S+/) +@", FILES["CODEOWNERS"].decode(), re.MULTILINE)
    assert {f"/networks/{path.name}/" for path in (ROOT / "networks").iterdir()} == set(owned)
