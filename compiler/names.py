"""Identifiers, one type for each kind that could be mistaken for another.

Kubernetes names are checked against their RFC 1123 patterns when they are parsed
(`compiler.parse`, `compiler.inventory`); past that edge a name is only ever one of these types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

NodeName = NewType("NodeName", str)
NodeNumber = NewType("NodeNumber", int)
"""1..65534, allocated once to a node; gives its link-local next hop and its VXLAN MAC addresses."""

NetworkNumber = NewType("NetworkNumber", int)
"""1..65534, allocated once to a network; gives its VNI, VRF table and interface group."""

DEFAULT_NETWORK = NetworkNumber(0)
"""The default network: interfaces that Atoll does not own are in interface group 0."""

MAX_NUMBER = 65534

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_label(text: str) -> bool:
    """An RFC 1123 label, as Kubernetes requires of namespaces and Services."""
    return _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """An RFC 1123 subdomain, as Kubernetes requires of most other names: only the whole has a limit."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class ObjectName:
    """The namespace and name of a namespaced Kubernetes object; prints as `namespace/name`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @staticmethod
    def parse(text: str, *, default_namespace: str) -> ObjectName:
        """Read `name` or `namespace/name`, as annotations write it; the parts are not checked here."""
        namespace, slash, name = text.partition("/")
        if slash:
            return ObjectName(namespace=namespace, name=name)
        return ObjectName(namespace=default_namespace, name=text)
