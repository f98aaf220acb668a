"""What `kubectl get nodes,namespaces,pods,services,endpointslices -A -o json` prints for a small cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping


def inventory_json(pods: Mapping[str, str], *, nodes: int = 2) -> bytes:
    """Nodes `node-1`, ..., namespace team-a, and pods `<network>-<anything>` by node."""
    items: list[object] = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"node-{n}"},
            "status": {"addresses": [{"type": "InternalIP", "address": f"192.0.2.{n}"}]},
        }
        for n in range(1, nodes + 1)
    ]
    items.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a", "labels": {}}})
    items.extend(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "team-a",
                "uid": name,
                "annotations": {"atoll.dev/network": name.partition("-")[0]},
            },
            "spec": {"nodeName": node},
            "status": {"phase": "Running"},
        }
        for name, node in pods.items()
    )
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
