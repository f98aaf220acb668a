"""Reads what `kubectl get nodes,namespaces,pods,services,endpointslices -A -o yaml` (or json) prints.

One bad item is one problem and stops no other. JSON of 50,000 pods takes about a second; YAML
takes minutes at that size, so take large inventories as JSON.
"""

from __future__ import annotations

from compiler.inventory import Inventory
from compiler.problem import Problem


def read_inventory(text: bytes, *, path: str = "inventory") -> tuple[Inventory, tuple[Problem, ...]]:
    """The inventory, and what of it could not be read; `path` is the file's name in problems."""
    raise NotImplementedError
