"""Every cell of the router table, consent, and what has no effect."""

from __future__ import annotations

from itertools import product

import pytest

from compiler.inventory import Namespace
from compiler.model import LabelSelector, VirtualNetwork, VirtualNetworkRouter
from compiler.problem import Origin
from compiler.resolve import Resolution, resolve
from compiler.routers import Waiting
from tests.compiler.declared import EVERYTHING, declarations, name, namespaces, network, router, where


def in_namespace(text: str) -> LabelSelector:
    return where(**{"kubernetes.io/metadata.name": text})


def resolved(
    *objects: VirtualNetwork | VirtualNetworkRouter, known: dict[str, Namespace] | None = None
) -> Resolution:
    return resolve(declarations(*objects), known or {})


def texts(resolution: Resolution) -> list[str]:
    return [str(problem) for problem in resolution.problems]


def two_sides(left: str, right: str, *, mutual: bool) -> Resolution:
    """Network a/red behind router a/left, network b/blue behind router b/right."""
    return resolved(
        network("a/red", "10.1.0.0/24"),
        network("b/blue", "10.2.0.0/24"),
        router("a/left", left, imports=[(where(side="right"), EVERYTHING)], line=10, side="left"),
        router(
            "b/right",
            right,
            imports=[(where(side="left"), EVERYTHING)] if mutual else [],
            line=20,
            side="right",
        ),
    )


CONNECTING = [("mesh", "mesh"), ("hub", "spoke"), ("spoke", "hub")]


@pytest.mark.parametrize(("left", "right"), CONNECTING)
def test_routers_that_import_each_other_connect_when_their_types_combine(left: str, right: str) -> None:
    resolution = two_sides(left, right, mutual=True)
    assert resolution.may_talk(name("a/red"), name("b/blue"))
    assert resolution.problems == ()
    assert [str(cause) for cause in resolution.causes(name("b/blue"), name("a/red"))] == [
        f"{left} router a/left (routers.yaml:10) and {right} router b/right (routers.yaml:20), "
        "which import each other"
    ]
    assert resolution.agreed == ((name("a/left"), name("b/right")),)


@pytest.mark.parametrize(
    ("left", "right"),
    [pair for pair in product(("mesh", "hub", "spoke"), repeat=2) if pair not in CONNECTING],
)
def test_other_combinations_of_types_have_no_effect_and_both_sides_are_told(left: str, right: str) -> None:
    resolution = two_sides(left, right, mutual=True)
    assert not resolution.may_talk(name("a/red"), name("b/blue"))
    assert [(problem.code, problem.subject) for problem in resolution.problems] == [
        ("ATL502", "VirtualNetworkRouter a/left"),
        ("ATL502", "VirtualNetworkRouter b/right"),
    ]
    assert resolution.problems[0].reason == (
        f"it is a {left} and imports {right} b/right: these types never connect, so that has no effect"
    )
    assert resolution.waiting == ()


@pytest.mark.parametrize(("left", "right"), CONNECTING)
def test_a_one_sided_import_waits_for_the_other_sides_consent(left: str, right: str) -> None:
    resolution = two_sides(left, right, mutual=False)
    assert not resolution.may_talk(name("a/red"), name("b/blue"))
    assert resolution.waiting == (
        Waiting(
            importer=name("a/left"),
            awaited=name("b/right"),
            origin=Origin(path="routers.yaml", line=10),
            awaited_origin=Origin(path="routers.yaml", line=20),
        ),
    )
    assert texts(resolution)[0] == (
        "routers.yaml:10:0: warning ATL501: VirtualNetworkRouter a/left: it imports router b/right "
        "(routers.yaml:20), which does not import it: their networks do not talk while that consent is "
        "missing. Let b/right import a/left too, or remove this import."
    )


def test_a_one_sided_import_between_types_that_never_connect_is_not_waiting() -> None:
    resolution = two_sides("hub", "hub", mutual=False)
    assert resolution.waiting == ()
    assert [problem.code for problem in resolution.problems] == ["ATL502", "ATL503"]


def test_all_networks_of_one_mesh_router_talk() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        network("a/blue", "10.2.0.0/24"),
        network("a/green", "10.3.0.0/24"),
        network("b/other", "10.4.0.0/24"),
        router("a/mesh", "mesh", line=7),
    )
    assert resolution.peers == {
        name("a/red"): frozenset({name("a/blue"), name("a/green")}),
        name("a/blue"): frozenset({name("a/red"), name("a/green")}),
        name("a/green"): frozenset({name("a/red"), name("a/blue")}),
        name("b/other"): frozenset(),
    }
    assert [str(cause) for cause in resolution.causes(name("a/red"), name("a/blue"))] == [
        "mesh router a/mesh (routers.yaml:7)"
    ]


@pytest.mark.parametrize("kind", ["hub", "spoke"])
def test_two_networks_of_one_hub_or_spoke_router_do_not_talk(kind: str) -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"), network("a/blue", "10.2.0.0/24"), router("a/one", kind, line=4)
    )
    assert not resolution.may_talk(name("a/red"), name("a/blue"))
    assert texts(resolution) == [
        f"routers.yaml:4:0: warning ATL503: VirtualNetworkRouter a/one: it is a {kind} and imports no "
        "router, so it has no effect. Import the routers that it should connect to, or remove it."
    ]


def hub_and_spokes() -> Resolution:
    """Two networks behind one hub, two behind one spoke, a fifth behind a second spoke."""
    spokes_import = [(where(role="hub"), None)]
    return resolved(
        network("a/hub-1", "10.1.0.0/24", role="hub"),
        network("a/hub-2", "10.2.0.0/24", role="hub"),
        network("a/spoke-1", "10.3.0.0/24", role="spoke"),
        network("a/spoke-2", "10.4.0.0/24", role="spoke"),
        network("a/far", "10.5.0.0/24", role="far"),
        router("a/hub", "hub", where(role="hub"), imports=[(where(role="spoke"), None)], role="hub"),
        router("a/spokes", "spoke", where(role="spoke"), imports=spokes_import, role="spoke"),
        router("a/more", "spoke", where(role="far"), imports=spokes_import, role="spoke"),
    )


def test_hubs_reach_every_spoke_and_spokes_only_hubs() -> None:
    hubs = frozenset({name("a/hub-1"), name("a/hub-2")})
    spokes = frozenset({name("a/spoke-1"), name("a/spoke-2"), name("a/far")})
    resolution = hub_and_spokes()
    assert resolution.problems == ()
    assert resolution.peers == dict.fromkeys(hubs, spokes) | dict.fromkeys(spokes, hubs)


def test_a_mesh_router_over_the_networks_of_a_hub_lets_them_talk() -> None:
    resolution = resolved(
        network("a/hub-1", "10.1.0.0/24", role="hub"),
        network("a/hub-2", "10.2.0.0/24", role="hub"),
        network("a/spoke", "10.3.0.0/24", role="spoke"),
        router("a/hub", "hub", where(role="hub"), imports=[(where(role="spoke"), None)], role="hub"),
        router("a/spoke", "spoke", where(role="spoke"), imports=[(where(role="hub"), None)], role="spoke"),
        router("a/mesh", "mesh", where(role="hub")),
    )
    assert resolution.may_talk(name("a/hub-1"), name("a/hub-2"))
    assert resolution.problems == ()


def test_talking_is_not_transitive() -> None:
    resolution = resolved(
        network("a/one", "10.1.0.0/24", left="yes"),
        network("a/two", "10.2.0.0/24", left="yes", right="yes"),
        network("a/three", "10.3.0.0/24", right="yes"),
        router("a/left", "mesh", where(left="yes")),
        router("a/right", "mesh", where(right="yes")),
    )
    assert resolution.may_talk(name("a/one"), name("a/two"))
    assert resolution.may_talk(name("a/two"), name("a/three"))
    assert not resolution.may_talk(name("a/one"), name("a/three"))


def test_two_routers_over_the_same_pair_are_both_named_as_causes() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        network("a/blue", "10.2.0.0/24"),
        router("a/first", "mesh", line=3),
        router("a/second", "mesh", line=9),
    )
    assert [str(cause) for cause in resolution.causes(name("a/blue"), name("a/red"))] == [
        "mesh router a/first (routers.yaml:3)",
        "mesh router a/second (routers.yaml:9)",
    ]


def test_a_network_behind_both_a_hub_and_its_spoke_does_not_become_its_own_peer() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        router("a/hub", "hub", imports=[(where(role="spoke"), None)], role="hub"),
        router("a/spoke", "spoke", imports=[(where(role="hub"), None)], role="spoke"),
    )
    assert resolution.peers == {name("a/red"): frozenset()}
    assert resolution.causes(name("a/red"), name("a/red")) == ()


def test_a_router_selects_networks_of_its_own_namespace_only() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24", tier="web"),
        network("b/blue", "10.2.0.0/24", tier="web"),
        router("a/mesh", "mesh", where(tier="web"), line=6),
    )
    assert not resolution.may_talk(name("a/red"), name("b/blue"))
    assert texts(resolution) == [
        "routers.yaml:6:0: warning ATL503: VirtualNetworkRouter a/mesh: it is a mesh over the single network "
        "a/red and imports no router, so it has no effect. "
        "Import the routers that it should connect to, or remove it."
    ]


def test_an_import_without_namespace_selector_searches_the_own_namespace_only() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        network("b/blue", "10.2.0.0/24"),
        router("a/left", "mesh", imports=[(where(side="right"), None)], line=3, side="left"),
        router("b/right", "mesh", imports=[(where(side="left"), EVERYTHING)], line=8, side="right"),
    )
    assert not resolution.may_talk(name("a/red"), name("b/blue"))
    assert [(problem.code, problem.subject) for problem in resolution.problems] == [
        ("ATL312", "VirtualNetworkRouter a/left"),
        ("ATL501", "VirtualNetworkRouter b/right"),
    ]


def test_namespaces_are_selected_by_their_labels_in_the_inventory() -> None:
    objects = (
        network("a/red", "10.1.0.0/24"),
        network("b/blue", "10.2.0.0/24"),
        router("a/left", "mesh", imports=[(EVERYTHING, where(env="prod"))]),
        router("b/right", "mesh", imports=[(EVERYTHING, in_namespace("a"))]),
    )
    prod, test = namespaces(a={}, b={"env": "prod"}), namespaces(a={}, b={"env": "test"})
    assert resolved(*objects, known=prod).may_talk(name("a/red"), name("b/blue"))
    assert not resolved(*objects, known=test).may_talk(name("a/red"), name("b/blue"))


def test_the_name_label_of_a_namespace_is_implied_even_without_an_inventory() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        network("b/blue", "10.2.0.0/24"),
        router("a/left", "mesh", imports=[(EVERYTHING, in_namespace("b"))]),
        router("b/right", "mesh", imports=[(EVERYTHING, in_namespace("a"))]),
    )
    assert resolution.may_talk(name("a/red"), name("b/blue"))


def test_the_name_label_of_a_namespace_cannot_be_claimed_by_another() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        network("b/blue", "10.2.0.0/24"),
        router("a/left", "mesh", imports=[(EVERYTHING, in_namespace("c"))]),
        router("b/right", "mesh", imports=[(EVERYTHING, in_namespace("a"))]),
        known=namespaces(a={}, b={"kubernetes.io/metadata.name": "c"}),
    )
    assert not resolution.may_talk(name("a/red"), name("b/blue"))


def test_a_router_that_imports_itself_among_others_gains_nothing_by_it() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        network("a/blue", "10.2.0.0/24"),
        router("a/spoke", "spoke", imports=[(EVERYTHING, None)], line=5),
    )
    assert not resolution.may_talk(name("a/red"), name("a/blue"))
    assert texts(resolution) == [
        "routers.yaml:5:0: warning ATL312: VirtualNetworkRouter a/spoke: its import matches only the router "
        "itself, so it has no effect. Correct its virtualNetworkRouterSelector or namespaceSelector, "
        "or remove it."
    ]


def test_selectors_that_match_nothing_are_warnings() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        router("a/mesh", "mesh", where(tier="db"), imports=[(where(role="none"), EVERYTHING)], line=2),
    )
    assert [(problem.code, problem.severity, problem.reason) for problem in resolution.problems] == [
        ("ATL311", "warning", "its virtualNetworkSelector matches no network of namespace a"),
        ("ATL312", "warning", "its import matches no router, so it has no effect"),
    ]


def test_hubs_of_two_namespaces_are_advised_to_have_two_mesh_routers() -> None:
    assert two_sides("hub", "hub", mutual=True).problems[0].remedy == (
        "To let networks of hubs talk, add a mesh router in each of the two namespaces that selects these "
        "networks, and let the two import each other"
    )


def test_one_import_that_selects_several_useless_routers_is_one_warning() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        router("a/one", "spoke", imports=[(EVERYTHING, None)], line=1),
        router("a/two", "spoke", imports=[(where(none="such"), None)], line=2),
        router("a/three", "mesh", imports=[(where(none="such"), None)], line=3),
    )
    assert [problem.reason for problem in resolution.problems if problem.code == "ATL502"] == [
        "it is a spoke and imports mesh a/three, spoke a/two: these types never connect, "
        "so that has no effect"
    ]


def test_agreement_is_known_even_while_a_side_has_no_network() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        router("a/left", "mesh", imports=[(EVERYTHING, EVERYTHING)]),
        router("b/right", "mesh", imports=[(EVERYTHING, EVERYTHING)]),
    )
    assert resolution.agreed == ((name("a/left"), name("b/right")),)
    assert resolution.peers == {name("a/red"): frozenset()}
