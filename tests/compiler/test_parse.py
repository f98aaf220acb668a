"""From files to declarations: what is left alone, what is collected, what is kept between two parses."""

from __future__ import annotations

import pytest

from compiler.parse import parse
from tests.compiler.repository import CLUSTER, network, parsed, problems, router


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("README.md", "kind: VirtualNetwork"),
        (".github/workflows/validate.yaml", "a: [broken"),
        ("networks/.draft.yaml", "a: [broken"),
        ("image.png", b"\x89PNG\x00"),
        ("values.yaml", "replicas: 3\n"),
        ("list.yaml", "- a\n- b\n"),
        ("text.yaml", "just text\n"),
        ("empty.yaml", ""),
        ("comment.yaml", "# nothing\n---\n"),
        ("kustomization.yaml", "kind: Kustomization\nresources: [a.yaml]\n"),
        ("cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n"),
        (
            "other.yaml",
            "apiVersion: networking.gke.io/v1\nkind: VirtualNetwork\nmetadata: {name: a}\nspec: {}\n",
        ),
        ("package.json", '{"name": "x", "version": "1"}'),
    ],
)
def test_what_declares_nothing_is_left_alone(path: str, content: str | bytes) -> None:
    assert problems({path: content}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "apiVersion: atol.dev/v1alpha1\nkind: VirtualNetwork\nmetadata: {name: red, namespace: team-a}\n",
            "x.yaml:1:13: warning ATL204: VirtualNetwork team-a/red: `apiVersion: "
            "atol.dev/v1alpha1` is not of `atoll.dev`, so the object is ignored. Write "
            "`apiVersion: atoll.dev/v1alpha1` if a declaration was meant.",
        ),
        (
            "apiVersion: v1alpha1\nkind: VirtualNetwrok\n",
            "x.yaml:1:13: warning ATL204: VirtualNetwrok: `apiVersion: v1alpha1` is not of "
            "`atoll.dev`, so the object is ignored. Write `apiVersion: atoll.dev/v1alpha1` if a "
            "declaration was meant.",
        ),
        (
            "apiVersion: core.contrail.juniper.com/v3\nkind: Subnet\n",
            "x.yaml:1:13: warning ATL204: Subnet: `apiVersion: core.contrail.juniper.com/v3` is not of "
            "`core.contrail.juniper.net`, so the object is ignored. Write the group as "
            "`core.contrail.juniper.net` if that was meant.",
        ),
        (
            "apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetwrok\n",
            "x.yaml:2:7: error ATL203: VirtualNetwrok: `atoll.dev` has no kind `VirtualNetwrok`. Write "
            "`VirtualNetwork` if that was meant.",
        ),
        (
            "apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetworkList\n",
            "x.yaml:2:7: error ATL203: VirtualNetworkList: `atoll.dev` has no kind `VirtualNetworkList`. "
            "Write `apiVersion: v1` and `kind: List`, whose items may be of any kind.",
        ),
        (
            "apiVersion: atoll.dev/v1\nkind: VirtualNetwork\n",
            "x.yaml:1:13: error ATL202: VirtualNetwork: `atoll.dev` has no version `v1` that this"
            " release reads. Use one of `atoll.dev/v1alpha1`.",
        ),
        (
            "kind: VirtualNetwork\nmetadata: {name: red, namespace: team-a}\n",
            "x.yaml:1:1: error ATL201: VirtualNetwork team-a/red: `apiVersion` is missing. Add `apiVersion: "
            "atoll.dev/v1alpha1`.",
        ),
        (
            "apiVersion: atoll.dev/v1alpha1\nmetadata: {name: red}\n",
            "x.yaml:1:1: error ATL201: object red: `kind` is missing. Add the kind: `VirtualNetwork`, "
            "`VirtualNetworkRouter` and `ClusterConfig` are read.",
        ),
        (
            "metadata: {name: red}\nspec: {subnets: [10.1.0.0/24]}\n",
            "x.yaml:1:1: error ATL201: object red: the object has `metadata` and `spec`, but "
            "neither `apiVersion` nor `kind`. Add `apiVersion: atoll.dev/v1alpha1` and the kind.",
        ),
    ],
)
def test_what_was_meant_to_be_a_declaration_is_named(text: str, expected: str) -> None:
    assert problems({"x.yaml": text}) == [expected]


def test_two_objects_with_one_name_are_named_with_both_places() -> None:
    files: dict[str, str | bytes] = {
        "a.yaml": network() + "---\n" + router(),
        "b.yaml": router() + "---\n" + network("subnets: [10.2.0.0/24]"),
    }
    assert problems(files) == [
        "b.yaml:1:1: error ATL215: VirtualNetworkRouter team-a/all: the name is already taken"
        " by the object at a.yaml:6:1. Rename or remove one of the two.",
        "b.yaml:6:1: error ATL215: VirtualNetwork team-a/red: the name is already taken by the object at "
        "a.yaml:1:1. Rename or remove one of the two.",
    ]


def test_networks_of_two_namespaces_may_share_a_name() -> None:
    assert problems({"a.yaml": network(), "b.yaml": network(namespace="team-b")}) == []


def test_a_broken_file_hides_no_problem_of_another() -> None:
    files: dict[str, str | bytes] = {
        "a.yaml": "spec: [",
        "b.yaml": network("egress: nat"),
        "c.yaml": network("subnets: [10.244.0.0/24]", name="blue"),
        "d.yaml": b"\xff",
    }
    assert [problem.split(": ")[1] for problem in problems(files)] == [
        "error ATL104",
        "error ATL206",
        "error ATL208",
        "error ATL406",
        "error ATL102",
    ]


def test_any_error_means_no_declarations() -> None:
    assert parsed({"red.yaml": network("egress: nat")}).declarations is None


def test_warnings_alone_leave_the_declarations() -> None:
    result = parsed({"x.yaml": "apiVersion: atol.dev/v1alpha1\nkind: VirtualNetwork\n"})
    assert [problem.severity for problem in result.problems] == ["warning"]
    assert result.declarations is not None


def test_absence_is_not_concluded_from_a_file_that_could_not_be_read() -> None:
    assert [p.split(": ")[1] for p in problems({"cluster.yaml": "kind: [", "red.yaml": network()})] == [
        "error ATL104"
    ]
    assert [
        p.split(": ")[1] for p in problems({"cluster.yaml": CLUSTER.replace("podRanges", "podRange")})
    ] == [
        "error ATL206",
        "error ATL205",
    ]


def test_at_most_a_hundred_errors_are_listed_for_a_file() -> None:
    text = network("subnets: [" + ", ".join(f"'10.{i}.0.1/24'" for i in range(64)) + "]")
    more = network("subnets: [" + ", ".join(f"'11.{i}.0.1/24'" for i in range(64)) + "]", name="blue")
    found = problems({"red.yaml": text + "---\n" + more})
    assert len(found) == 101
    assert found[0] == (
        "red.yaml: error ATL116: red.yaml: 28 more in this file are not listed. Correct the "
        "errors listed and look again."
    )


@pytest.mark.parametrize(
    "path",
    [
        "../red.yaml",
        "a/../red.yaml",
        "/etc/red.yaml",
        "a//red.yaml",
        "a\\red.yaml",
        "a\nb.yaml",
        "a" * 500 + ".yaml",
    ],
)
def test_paths_that_are_not_plain_are_refused(path: str) -> None:
    (problem,) = problems({path: network()})
    assert "error ATL117" in problem
    assert "\n" not in problem


def test_a_repository_of_too_many_files_is_not_read() -> None:
    files: dict[str, str | bytes] = {f"{index}.yaml": "" for index in range(10_001)}
    assert problems(files, with_cluster=False) == [
        "error ATL115: repository: it has 10,001 declaration files of 0 bytes together, and "
        "may have 10,000 of 16,777,216. Split the repository, or move what declares nothing "
        "into a hidden directory."
    ]


def test_a_repository_of_too_many_bytes_is_not_read() -> None:
    files: dict[str, str | bytes] = {f"{index}.yaml": b"#" * 1024 * 1024 for index in range(17)}
    (problem,) = problems(files, with_cluster=False)
    assert "error ATL115" in problem


def test_parsing_again_gives_what_parsing_afresh_gives() -> None:
    before = {
        "cluster.yaml": CLUSTER.encode(),
        "a.yaml": network().encode(),
        "b.yaml": network(name="blue").encode(),
    }
    cache = parse(before, revision="1").cache
    for change in (
        {"a.yaml": network("subnets: [10.9.0.0/24]").encode()},
        {"a.yaml": network("subnets: [10.244.0.0/24]").encode()},
        {"a.yaml": b"a: ["},
        {"cluster.yaml": CLUSTER.replace("10.244", "10.1").encode()},
        {"b.yaml": network(name="red").encode()},
        {"c.yaml": router().encode()},
        {"cluster.yaml": b""},
    ):
        after = {**before, **change}
        again, afresh = parse(after, revision="2", cache=cache), parse(after, revision="2")
        assert again.declarations == afresh.declarations
        assert again.problems == afresh.problems
        cache = again.cache


def test_what_did_not_change_is_the_same_object() -> None:
    before = {
        "cluster.yaml": CLUSTER.encode(),
        "a.yaml": network().encode(),
        "b.yaml": network(name="x").encode(),
    }
    first = parse(before, revision="1")
    second = parse({**before, "b.yaml": network(name="y").encode()}, revision="2", cache=first.cache)
    assert first.declarations is not None
    assert second.declarations is not None
    assert second.declarations.config is first.declarations.config
    assert second.declarations.networks[0] is first.declarations.networks[0]
    assert [n.name.name for n in second.declarations.networks] == ["red", "y"]


def test_a_deleted_file_declares_nothing() -> None:
    before = {"cluster.yaml": CLUSTER.encode(), "a.yaml": network().encode()}
    cache = parse(before, revision="1").cache
    after = parse({"cluster.yaml": CLUSTER.encode()}, revision="2", cache=cache)
    assert after.declarations is not None
    assert after.declarations.networks == ()
