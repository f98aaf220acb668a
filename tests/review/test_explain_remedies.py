"""What `explain` proposes for a no makes the yes when it is done as written, and no more than it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.model import Declarations
from compiler.parse import parse
from review.explain_ground import Ground
from review.explain_remedies import admitting
from tests.compiler.repository import CLUSTER
from tests.review.asking import ask
from tests.verifier import scene

NETWORK = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}
spec: {{subnets: [{subnet}]}}
"""


def two_networks(
    second: str, files: dict[str, str] | None = None, labels: tuple[str, str] = ("", "")
) -> Ground:
    """Network team-a/red and network `second`; and files."""
    red = NETWORK.format(name="red", namespace="team-a", labels=labels[0], subnet="10.1.0.0/24")
    blue = NETWORK.format(name="blue", namespace=second, labels=labels[1], subnet="10.2.0.0/24")
    texts = {"cluster.yaml": CLUSTER, "red.yaml": red, "blue.yaml": blue, **(files or {})}
    parsed = parse({path: text.encode() for path, text in texts.items()}, revision="")
    assert parsed.declarations is not None, parsed.problems
    return Ground.of(_compiled(parsed.declarations))


def _compiled(declarations: Declarations) -> Compilation:
    compilation = compile(declarations, replace(scene.compiled().inputs.inventory, pods={}), Allocations())
    assert not compilation.refused, compilation.problems
    return compilation


@pytest.mark.parametrize(
    ("namespace", "labels"),
    [
        ("team-a", ("red-blue: joined", "red-blue: joined")),
        ("team-b", ("red-to-team-b-blue: joined", "blue-to-team-a-red: joined")),
    ],
)
def test_a_remedy_that_is_a_router_makes_the_yes(namespace: str, labels: tuple[str, str]) -> None:
    asked = ("network:team-a/red", f"network:{namespace}/blue")
    before = ask(*asked, on=two_networks(namespace))
    (remedy,) = before.remedies
    assert (before.reaches, all(f"`{label}` to" in remedy.what for label in labels)) == (False, True)
    after = ask(*asked, on=two_networks(namespace, {"remedy.yaml": remedy.yaml}, labels))
    assert after.reaches is True


def test_a_missing_import_is_asked_of_the_router_that_is_there() -> None:
    hub = (
        "apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetworkRouter\n"
        "metadata: {name: hub, namespace: team-a}\n"
        "spec: {type: hub, virtualNetworkSelector: {}}\n"
    )
    spoke = (
        "apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetworkRouter\n"
        "metadata: {name: spoke, namespace: team-b, labels: {side: far}}\n"
        "spec: {type: spoke, virtualNetworkSelector: {}, import: {virtualNetworkRouters: ["
        "{virtualNetworkRouterSelector: {}, namespaceSelector: {}}]}}\n"
    )
    on = two_networks("team-b", {"hub.yaml": hub, "spoke.yaml": spoke})
    answer = ask("network:team-a/red", "network:team-b/blue", on=on)
    (remedy,) = answer.remedies
    assert remedy.what == (
        "Both routers must import each other; missing is the import of team-b/spoke by team-a/hub"
    )
    fragment = remedy.yaml.partition("spec:\n")[2]
    block = "spec:\n  type: hub\n  virtualNetworkSelector: {}\n" + fragment
    mended = hub.partition("spec:")[0] + block
    after = two_networks("team-b", {"hub.yaml": mended, "spoke.yaml": spoke})
    assert ask("network:team-a/red", "network:team-b/blue", on=after).reaches is True


def test_a_network_that_is_joined_twice_keeps_both() -> None:
    """Each router has a label of its own: one label has but one value."""
    asked = ("network:team-a/red", "network:team-a/blue")
    (first,) = ask(*asked, on=two_networks("team-a")).remedies
    green = NETWORK.format(name="green", namespace="team-a", labels="", subnet="10.3.0.0/24")
    files = {"green.yaml": green, "first.yaml": first.yaml}
    joined = ("red-blue: joined", "red-blue: joined")
    (second,) = ask(
        "network:team-a/red", "network:team-a/green", on=two_networks("team-a", files, joined)
    ).remedies
    files |= {
        "green.yaml": green.replace("labels: {}", "labels: {red-green: joined}"),
        "second.yaml": second.yaml,
    }
    both = two_networks("team-a", files, ("red-blue: joined, red-green: joined", "red-blue: joined"))
    assert ask("network:team-a/red", "network:team-a/green", on=both).reaches is True
    assert ask(*asked, on=both).reaches is True
    assert ask("network:team-a/blue", "network:team-a/green", on=both).reaches is False


def test_a_router_that_is_there_is_not_written_over() -> None:
    (remedy,) = ask("network:team-a/red", "network:team-a/blue", on=two_networks("team-a")).remedies
    taken = remedy.yaml.replace("red-blue: joined", "other: label")
    (again,) = ask(
        "network:team-a/red", "network:team-a/blue", on=two_networks("team-a", {"taken.yaml": taken})
    ).remedies
    assert "name: red-blue-2" in again.yaml
    assert "`red-blue-2: joined` to" in again.what


ROUTER = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {{name: {name}, namespace: {namespace}, labels: {{router: {name}}}}}
spec: {{type: {kind}, virtualNetworkSelector: {{}}}}
"""
HUB_AND_SPOKE = {
    "hub.yaml": ROUTER.format(name="hub", namespace="team-a", kind="hub"),
    "spoke.yaml": ROUTER.format(name="spoke", namespace="team-b", kind="spoke"),
}


def test_routers_that_would_join_others_as_well_are_told_so() -> None:
    third = NETWORK.format(name="green", namespace="team-b", labels="", subnet="10.3.0.0/24")
    on = two_networks("team-b", {"green.yaml": third, **HUB_AND_SPOKE})
    (remedy,) = ask("network:team-a/red", "network:team-b/blue", on=on).remedies
    assert remedy.what.endswith(". By that team-a/red and team-b/green talk as well")


def test_routers_that_would_join_what_overlaps_are_not_proposed() -> None:
    """The two alone may be joined; all that the routers select may not."""
    third = NETWORK.format(name="green", namespace="team-b", labels="", subnet="10.1.0.0/24")
    on = two_networks("team-b", {"green.yaml": third, **HUB_AND_SPOKE})
    (remedy,) = ask("network:team-a/red", "network:team-b/blue", on=on).remedies
    assert remedy.what.startswith("Each side adds a mesh router")


def test_whom_a_network_admits_already_is_not_turned_away_by_a_remedy() -> None:
    red = NETWORK.format(name="red", namespace="team-a", labels="", subnet="10.1.0.0/24")
    narrow = red.replace("spec: {", "spec: {allowedNamespaces: {matchLabels: {team: far}}, ")
    on = two_networks("team-b", {"red.yaml": narrow})
    (network,) = (one for one in on.meaning.seats.networks.values() if one.allowed_namespaces)
    remedy = admitting(network, "team-c")
    assert remedy.yaml == ""
    assert remedy.what.startswith("Widen `allowedNamespaces` of network team-a/red (red.yaml:1)")


def test_a_pod_of_the_default_network_is_asked_by_a_service_that_leads_to_the_port() -> None:
    (listed,) = ask("red-1", "plain-1", ("tcp", 9100)).remedies
    assert listed.what == "List Service monitoring/metrics as infrastructure of the network"
    (missing,) = ask("red-1", "plain-1", ("tcp", 9101)).remedies
    assert missing.what == (
        "Give pod team-a/plain-1 a Service that leads to its port tcp/9101, and list it in"
        " `infrastructure.services` of team-a/red"
    )


def test_who_asks_a_service_from_outside_joins_a_network_behind_it() -> None:
    (remedy,) = ask("plain-1", "service:web").remedies
    assert "    atoll.dev/network: team-a/blue\n" in remedy.yaml


def test_a_pod_that_waits_for_a_network_is_told_to_declare_it() -> None:
    inventory = scene.compiled().inputs.inventory
    name = next(name for name in inventory.pods if name.name == "red-1")
    lost = replace(inventory.pods[name], network="nowhere", addresses=())
    pods = {**inventory.pods, name: lost}
    on = Ground.of(compile(scene.declared(), replace(inventory, pods=pods), scene.compiled().allocations))
    (remedy,) = ask("red-1", "blue-1", on=on).remedies
    assert remedy.what == (
        "Declare VirtualNetwork team-a/nowhere with a subnet of its own, or create pod team-a/red-1 with the"
        " annotation of a network that is declared"
    )
