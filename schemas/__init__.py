"""The shapes of declarations as data: JSON Schema for files and editors, CRDs for the cluster.

Held equal to `compiler.model` by `tests/compiler/test_schemas.py`. Each JSON Schema stands alone, so that
an editor needs one file; definitions that several share are the same in each.

Beside the standard keywords: `errorMessage`, which editors show as well; `x-atoll-code`, the problem's
code in `compiler.catalogue`; `x-atoll-otherwise: ignored`, for a compatibility field of which only the
value given means what Atoll does; `x-atoll-duration`, the bounds of a duration (`schemas.duration`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

ATOLL_GROUP = "atoll.dev"
ATOLL_VERSION = "v1alpha1"
CONTRAIL_GROUP = "core.contrail.juniper.net"
CONTRAIL_VERSIONS = ("v1alpha1", "v1", "v2", "v3")

_DECLARATIONS = {
    (ATOLL_GROUP, "VirtualNetwork"): "virtualnetwork.json",
    (ATOLL_GROUP, "VirtualNetworkRouter"): "virtualnetworkrouter.json",
    (ATOLL_GROUP, "ClusterConfig"): "clusterconfig.json",
    (CONTRAIL_GROUP, "VirtualNetwork"): "contrail/virtualnetwork.json",
    (CONTRAIL_GROUP, "Subnet"): "contrail/subnet.json",
    (CONTRAIL_GROUP, "VirtualNetworkRouter"): "contrail/virtualnetworkrouter.json",
}
_JSON = _DECLARATIONS | {
    (ATOLL_GROUP, "NetworkSource"): "networksource.json",
    (ATOLL_GROUP, "ReviewPolicy"): "reviewpolicy.json",
}
POLICY_FILE = "policy.yaml"
"""The name of the one file that holds a ReviewPolicy: for reviews, left alone by the compiler."""
CRD_FILES = (
    "virtualnetworks.yaml",
    "virtualnetworkrouters.yaml",
    "clusterconfigs.yaml",
    "networksources.yaml",
    "nodenetworks.yaml",
    "nodenetworkparts.yaml",
)


def kinds(group: str) -> tuple[str, ...]:
    """The kinds of a group that a network repository may declare."""
    return tuple(kind for of_group, kind in _DECLARATIONS if of_group == group)


@cache
def json_schema(group: str, kind: str) -> Mapping[str, Any]:
    """The JSON Schema of a kind: of a declaration, of NetworkSource or ReviewPolicy. Not to be changed.

    Raises KeyError for other kinds.
    """
    schema: dict[str, Any] = json.loads(text(_JSON[group, kind]))
    return schema


def crds() -> tuple[Mapping[str, Any], ...]:
    """Every CustomResourceDefinition, as the API server takes it, in the order of `CRD_FILES`."""
    reader = YAML(typ="safe", pure=True)
    return tuple(reader.load(text(f"crds/{file}")) for file in CRD_FILES)


def text(name: str) -> str:
    """A file of this package, such as `virtualnetwork.json` or `crds/virtualnetworks.yaml`."""
    return files(__name__).joinpath(*name.split("/")).read_text(encoding="utf-8")
