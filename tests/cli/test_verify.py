"""`atoll verify`: one word first, a packet for each violation, exit codes, and what it can be pointed to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

import schemas
from compiler import codec
from controller.actions import KeepAllocations, PublishPlan
from controller.publish import DirectoryPublisher
from controller.snapshot import Revision
from review.verdict_record import schema
from tests.cli.commands import Outcome, atoll
from tests.golden.case import case

GOLDEN = Path(__file__).parents[2] / "golden"
PEERS = '\t\t\t1 . 1 comment "team-a/red > team-a/red"'
ZONE = '\t\t\t1 comment "team-a/red" : 1,\n'


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `atoll compile --out` wrote for golden/service-mixed."""
    out = tmp_path_factory.mktemp("compiled")
    folder = GOLDEN / "service-mixed" / "input"
    done = atoll("compile", "--repo", folder, "--inventory", folder / "inventory.yaml", "--out", out)
    assert done.code == 0
    return out


def verify(name: str, *more: str | Path) -> Outcome:
    folder = GOLDEN / name / "input"
    return atoll("verify", folder, "--inventory", folder / "inventory.yaml", *more)


def test_without_an_inventory_a_model_of_two_nodes_is_judged_which_the_certificate_says(
    tmp_path: Path,
) -> None:
    certificate = tmp_path / "certificate.json"

    outcome = atoll("verify", GOLDEN / "hub-and-spokes" / "input", "--certificate", certificate)

    assert outcome.code == 0
    assert outcome.out.startswith(
        "proved: 2 nodes let pass exactly what is declared\n"
        "  but       No inventory was given: this is of a model with two nodes"
    )
    told = json.loads(certificate.read_text())["assumptions"][0]
    assert told.startswith("No inventory was given: this is of a model with two nodes")


def test_what_was_written_for_nodes_is_of_a_cluster_that_must_be_known(compiled: Path) -> None:
    outcome = atoll("verify", GOLDEN / "service-mixed" / "input", "--plans", compiled)

    assert outcome.code == 2
    assert "--plans and --node need --inventory" in outcome.errors


def publish(to: Path) -> None:
    """As the controller writes golden/service-mixed."""
    compilation = case("service-mixed").after.compilation
    assert compilation is not None
    publisher = DirectoryPublisher(root=to)
    publisher.prepare()
    publisher.execute(KeepAllocations(allocations=compilation.allocations))
    for plan in compilation.plans.values():
        publisher.execute(
            PublishPlan(plan=plan, revision=Revision(""), generation=1, digest=codec.digest(plan))
        )


def altered(plans: Path, to: Path, file: str, change: Callable[[str], str]) -> Path:
    shutil.copytree(plans, to)
    path = to / "nodes" / "node-1" / file
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    return to


def test_what_is_compiled_is_proved(tmp_path: Path) -> None:
    outcome = verify("mesh")

    assert (outcome.code, outcome.errors) == (0, "")
    assert outcome.out.splitlines()[0] == "proved: 2 nodes let pass exactly what is declared"


def test_networks_that_are_on_no_node_yet_are_judged_with_a_pod_on_two(tmp_path: Path) -> None:
    text = (GOLDEN / "mesh" / "input" / "inventory.yaml").read_text()
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(text.replace("atoll.dev/network: blue", "atoll.dev/network: red"))

    outcome = atoll("verify", GOLDEN / "mesh" / "input", "--inventory", inventory)

    assert outcome.code == 0
    assert outcome.out.splitlines()[1] == (
        "  but       On no node yet, so judged as if each had a pod on node-1 and node-2: team-a/blue."
    )


def test_machines_get_the_verdict_by_its_schema() -> None:
    outcome = verify("mesh", "--format", "json")

    document = json.loads(outcome.out)
    assert outcome.code == 0
    assert (document["errors"], document["warnings"], document["problems"]) == (0, 0, [])
    jsonschema.validate(document["verdict"], json.loads(schemas.text("verdict.json")))
    assert document["verdict"]["proved"] is True
    assert document["verdict"]["certificate"]["counts"]["nodes"] == 2


def test_the_schema_of_a_verdict_is_the_classes_own() -> None:
    assert json.loads(schemas.text("verdict.json")) == schema()


def test_plans_as_they_were_written_are_judged(compiled: Path) -> None:
    outcome = verify("service-mixed", "--plans", compiled)

    assert (outcome.code, outcome.errors) == (0, "")
    assert outcome.out.startswith("proved: 2 nodes ")


def test_plans_that_the_controller_published_are_judged(tmp_path: Path) -> None:
    publish(tmp_path)

    outcome = verify("service-mixed", "--plans", tmp_path)

    assert (outcome.code, outcome.errors) == (0, "")
    assert outcome.out.startswith("proved: 2 nodes ")


def test_a_published_plan_that_was_altered_is_refused(tmp_path: Path) -> None:
    publish(tmp_path)
    path = tmp_path / "plans" / "node-1.json"
    path.write_bytes(path.read_bytes().replace(b"10.1.0.0/28", b"10.1.0.0/27", 1))

    outcome = verify("service-mixed", "--plans", tmp_path)

    assert outcome.code == 3
    assert "the plan is not the one of digest" in outcome.errors


def test_a_plan_that_hides_a_network_hides_nothing_from_the_judge(compiled: Path, tmp_path: Path) -> None:
    """What is wrong in the text is found by pods that the inventory has, whatever the plan beside it says."""
    wrong = altered(
        compiled, tmp_path / "plans", "ruleset.nft", lambda text: text.replace(PEERS, "\t\t\t9 . 9")
    )
    seen = verify("service-mixed", "--plans", wrong)
    path = wrong / "nodes" / "node-1" / "plan.json"
    path.write_text(path.read_text().replace('"presence": "present"', '"presence": "carried"'))

    hidden = verify("service-mixed", "--plans", wrong)

    assert (hidden.code, hidden.out) == (1, seen.out)
    assert "unseen" not in hidden.out


def test_the_certificate_says_what_was_proved_of_what(compiled: Path, tmp_path: Path) -> None:
    outcome = verify("service-mixed", "--plans", compiled, "--certificate", tmp_path / "proof.json")

    certificate = json.loads((tmp_path / "proof.json").read_text())
    assert f"  digest    {certificate['digest']}" in outcome.out.splitlines()
    assert certificate["counts"]["nodes"] == 2
    assert certificate["assumptions"]


def test_the_same_plans_have_the_same_digest_and_others_another(compiled: Path, tmp_path: Path) -> None:
    same = altered(compiled, tmp_path / "same", "plan.json", lambda text: f"{text}\n")
    other = altered(compiled, tmp_path / "other", "layout.txt", lambda text: f"{text}# a remark\n")

    digests = [
        json.loads(verify("service-mixed", "--plans", plans, "--format", "json").out)["verdict"][
            "certificate"
        ]["digest"]
        for plans in (compiled, same, other)
    ]

    assert digests[0] == digests[1] != digests[2]


def test_a_violation_shows_a_packet_its_way_and_the_declaration(compiled: Path, tmp_path: Path) -> None:
    plans = altered(compiled, tmp_path / "plans", "ruleset.nft", lambda text: text.replace(PEERS, ""))

    outcome = verify("service-mixed", "--plans", plans)

    lines = outcome.out.splitlines()
    assert outcome.code == 1
    assert lines[0].startswith("not proved: ")
    assert lines[0].endswith(" on 1 node")
    start = lines.index(
        "node-1: blocked: a pod of team-a/red does not reach Service team-a/web at 10.96.0.10, which it may"
    )
    block = lines[start : lines.index("", start)]
    assert block[1].startswith(
        "  packet    TCP from 10.1.0.1 to 10.96.0.10 port 80, of a pod of team-a/red by at"
    )
    assert any("forward leaving" in line and line.endswith("goto refuse") for line in block)
    assert block[-1] == "  declared  networks.yaml:1"


def test_a_violation_has_the_same_for_machines(compiled: Path, tmp_path: Path) -> None:
    plans = altered(compiled, tmp_path / "plans", "ruleset.nft", lambda text: text.replace(ZONE, ""))
    certificate = tmp_path / "proof.json"

    outcome = verify("service-mixed", "--plans", plans, "--format", "json", "--certificate", certificate)

    verdict = json.loads(outcome.out)["verdict"]
    jsonschema.validate(verdict, json.loads(schemas.text("verdict.json")))
    assert (outcome.code, verdict["proved"]) == (1, False)
    assert {(found["node"], found["kind"]) for found in verdict["violations"]} == {("node-1", "zone")}
    assert not certificate.exists()


def test_a_ruleset_that_is_not_understood_is_refused_with_its_line(compiled: Path, tmp_path: Path) -> None:
    plans = altered(
        compiled, tmp_path / "plans", "ruleset.nft", lambda text: text.replace("goto leaving", "queue to 3")
    )

    outcome = verify("service-mixed", "--plans", plans)

    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.errors.startswith("atoll: node node-1: line ")
    assert "`iifgroup 1-65534 queue to 3`: `queue` is not understood" in outcome.errors


def test_a_node_without_plans_is_a_violation(compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled, tmp_path / "plans")
    shutil.rmtree(tmp_path / "plans" / "nodes" / "node-2")

    outcome = verify("service-mixed", "--plans", tmp_path / "plans")

    assert outcome.code == 1
    assert "node-2: blocked: nothing is known of this node, which takes part" in outcome.out


def test_declarations_with_errors_are_not_judged() -> None:
    outcome = verify("errors-overlap")

    assert outcome.code == 1
    assert outcome.out.splitlines()[-1].endswith("; nothing was judged")


def test_plans_of_another_commit_are_refused(compiled: Path) -> None:
    outcome = verify("mesh", "--plans", compiled)

    assert outcome.code == 3
    assert "has no number in the allocations: they are of another commit" in outcome.errors


def test_a_directory_without_plans_is_refused(tmp_path: Path) -> None:
    (tmp_path / "allocations.json").write_bytes(
        (GOLDEN / "mesh" / "expected" / "allocations.json").read_bytes()
    )

    outcome = verify("mesh", "--plans", tmp_path)

    assert outcome.code == 3
    assert "it holds neither nodes/ nor plans/" in outcome.errors


EMPTY_NODE = {
    "ruleset.json": '{"nftables": [{"metainfo": {"json_schema_version": 1}}]}',
    "link.json": '[{"ifname":"lo","flags":["LOOPBACK","UP"],"group":"0","address":"00:00:00:00:00:00"}]',
    "address.json": '[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]}]',
    "route4.json": "[]",
    "route6.json": "[]",
    "rule4.json": '[{"priority":0,"src":"all","table":"255"},{"priority":32766,"src":"all","table":"254"}]',
    "rule6.json": '[{"priority":0,"src":"all","table":"255"},{"priority":32766,"src":"all","table":"254"}]',
    "neighbour.json": "",
    "fdb.json": "[]",
}


def test_a_node_by_its_dump_is_judged_alone(tmp_path: Path) -> None:
    """A kernel that holds nothing yet."""
    for file, text in EMPTY_NODE.items():
        (tmp_path / file).write_text(text)

    outcome = verify("mesh", "--node", "node-1", "--dump", tmp_path)

    assert outcome.code == 1
    assert outcome.out.splitlines()[0].endswith(" on 1 node")
    assert "node-1: device: network team-a/red has no VRF here" in outcome.out


def test_a_file_that_a_dump_lacks_is_named_with_its_command(tmp_path: Path) -> None:
    outcome = verify("mesh", "--node", "node-1", "--dump", tmp_path)

    assert outcome.code == 3
    assert "ruleset.json: it cannot be read" in outcome.errors
    assert "`nft -j list table inet atoll`" in outcome.errors


def test_a_node_that_takes_no_part_is_refused(tmp_path: Path) -> None:
    outcome = verify("mesh", "--node", "node-9", "--dump", tmp_path)

    assert outcome.code == 3
    assert "node node-9 takes no part in networks by the inventory" in outcome.errors


@pytest.mark.parametrize(
    "options",
    [
        ("--node", "node-1"),
        ("--live",),
        ("--node", "node-1", "--live", "--dump", "somewhere"),
        ("--node", "node-1", "--live", "--plans", "somewhere"),
        ("--revision", "HEAD"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_use(options: tuple[str, ...]) -> None:
    assert verify("mesh", *options).code == 2
