"""Two repositories and a cluster in few words, compiled and compared."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.kubectl import read_inventory
from review.build import Sources, review_of
from review.model import Line, Review
from review.side import Cluster, Source, States, states_of
from tests.controller.files import CLUSTER
from tests.controller.kubectl import inventory_json

Files = Mapping[str, bytes]


def network(name: str, subnet: str, *, labels: str = "", spec: str = "") -> bytes:
    return (
        "apiVersion: atoll.dev/v1alpha1\n"
        "kind: VirtualNetwork\n"
        f"metadata: {{name: {name}, namespace: team-a, labels: {{{labels}}}}}\n"
        "spec:\n"
        f"  subnets: [{subnet}]\n"
        f"{spec}"
    ).encode()


def router(name: str, kind: str = "mesh", *, selector: str = "", imports: str = "") -> bytes:
    """It selects all networks unless told otherwise, and can be imported by its name as a label."""
    text = (
        "apiVersion: atoll.dev/v1alpha1\n"
        "kind: VirtualNetworkRouter\n"
        f"metadata: {{name: {name}, namespace: team-a, labels: {{router: {name}}}}}\n"
        "spec:\n"
        f"  type: {kind}\n"
        f"  virtualNetworkSelector: {{matchLabels: {{{selector}}}}}\n"
    )
    if imports:
        text += (
            "  import:\n"
            "    virtualNetworkRouters:\n"
            f"    - virtualNetworkRouterSelector: {{matchLabels: {{router: {imports}}}}}\n"
        )
    return text.encode()


def states(before: Files, after: Files, pods: Mapping[str, str] | None = None, *, nodes: int = 2) -> States:
    """`pods` are `<network>-<anything>` by node; None for no inventory."""
    cluster = Cluster()
    if pods is not None:
        inventory, problems = read_inventory(inventory_json(pods, nodes=nodes))
        cluster = Cluster(inventory=inventory, problems=problems)
    return states_of(_source("before", before), _source("after", after), cluster)


def _source(name: str, files: Files) -> Source:
    return Source(name=name, commit="", files={"cluster.yaml": CLUSTER, **files})


def reviewed(
    before: Files,
    after: Files,
    pods: Mapping[str, str] | None = None,
    *,
    nodes: int = 2,
    approved_by: tuple[str, ...] = (),
) -> Review:
    return review_of(states(before, after, pods, nodes=nodes), Sources(approved_by=approved_by))


def places(lines: tuple[Line, ...]) -> list[str]:
    """As `head red.yaml:3 the line`."""
    return [f"{line.side} {line.path}:{line.line} {line.text}".rstrip() for line in lines]
