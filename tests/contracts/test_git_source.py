"""What every GitSource does, the one in memory as the one through git."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.signatures import Fault, Offence, Verification
from controller.snapshot import ReadLimits, Refusal, Revision, SourceError
from tests.contracts.git_keys import GpgKeys, SshKeys, allow
from tests.contracts.git_workbench import DiskWorkbench, MemoryWorkbench, Workbench

RED = b"kind: VirtualNetwork\n"
BLUE = b"kind: VirtualNetworkRouter\n"


@pytest.fixture(params=["memory", "disk"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Workbench:
    return MemoryWorkbench() if request.param == "memory" else DiskWorkbench(tmp_path)


@pytest.fixture(scope="module")
def gpg_keys() -> Iterator[GpgKeys]:
    with GpgKeys() as keys:
        yield keys


@pytest.fixture(scope="module")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> SshKeys:
    return SshKeys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(params=["memory", "gpg", "ssh"])
def signing_bench(
    request: pytest.FixtureRequest, tmp_path: Path, gpg_keys: GpgKeys, ssh_keys: SshKeys
) -> Workbench:
    if request.param == "memory":
        return MemoryWorkbench()
    return DiskWorkbench(tmp_path, gpg_keys if request.param == "gpg" else ssh_keys)


def test_the_tip_of_the_ref_is_seen_and_read(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED, "team/blue.yml": BLUE})
    source = bench.source()

    sighting = source.look(None)
    snapshot = source.read(sighting.revision)

    assert sighting.revision == tip
    assert not sighting.rewritten
    assert snapshot.files == {"red.yaml": RED, "team/blue.yml": BLUE}
    assert snapshot.problems == ()


def test_a_new_commit_is_seen_on_the_next_look(bench: Workbench) -> None:
    first = bench.commit({"red.yaml": RED})
    source = bench.source()
    source.look(None)
    second = bench.commit({"red.yaml": BLUE})

    sighting = source.look(first)

    assert sighting.revision == second
    assert not sighting.rewritten
    assert source.read(second).files == {"red.yaml": BLUE}


def test_looking_twice_at_an_unchanged_ref_sees_the_same(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED})
    source = bench.source()

    assert source.look(source.look(None).revision).revision == tip


def test_an_earlier_commit_can_still_be_read(bench: Workbench) -> None:
    first = bench.commit({"red.yaml": RED})
    bench.commit({"red.yaml": BLUE})
    source = bench.source()
    source.look(None)

    assert source.read(first).files == {"red.yaml": RED}


def test_a_forced_push_is_followed_and_reported(bench: Workbench) -> None:
    bench.commit({"red.yaml": RED})
    lost = bench.commit({"red.yaml": RED, "blue.yaml": BLUE})
    source = bench.source()
    source.look(None)
    amended = bench.commit({"red.yaml": BLUE}, amend=True)

    sighting = source.look(lost)

    assert sighting.revision == amended
    assert sighting.rewritten


def test_only_yaml_and_json_outside_hidden_directories_is_read(bench: Workbench) -> None:
    tip = bench.commit(
        {
            "README.md": b"text",
            ".github/workflows/check.yaml": b"on: push",
            ".hidden.yaml": b"x: 1",
            "a/network.json": b"{}",
            "script.sh": b"exit 1",
        }
    )
    source = bench.source()
    source.look(None)

    snapshot = source.read(tip)

    assert snapshot.files == {"a/network.json": b"{}"}
    assert snapshot.problems == ()


def test_links_and_submodules_are_refused_with_their_places(bench: Workbench) -> None:
    tip = bench.commit(
        {
            "a/link.yaml": Refusal.SYMBOLIC_LINK,
            "red.yaml": RED,
            "vendor": Refusal.SUBMODULE,
            ".cache": Refusal.SYMBOLIC_LINK,
        }
    )
    source = bench.source()
    source.look(None)

    snapshot = source.read(tip)

    assert snapshot.files == {"red.yaml": RED}
    assert [str(problem) for problem in snapshot.problems] == [
        "a/link.yaml: error ATL118: a/link.yaml: symbolic links are not followed."
        " Replace the link by a copy of the file.",
        "vendor: error ATL119: vendor: submodules are not fetched. Commit the files themselves.",
    ]


def test_a_folder_narrows_what_is_read_and_paths_keep_their_root(bench: Workbench) -> None:
    tip = bench.commit(
        {"networks/red.yaml": RED, "networks-old/blue.yaml": BLUE, "link": Refusal.SYMBOLIC_LINK}
    )
    source = bench.source(folder="networks")
    source.look(None)

    snapshot = source.read(tip)

    assert snapshot.files == {"networks/red.yaml": RED}
    assert snapshot.problems == ()


def test_a_missing_folder_is_an_error(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED})
    source = bench.source(folder="networks")
    source.look(None)

    with pytest.raises(SourceError) as caught:
        source.read(tip)

    assert caught.value.problem.code == "ATL803"
    assert caught.value.problem.reason == "the commit has no folder networks"


def test_a_file_beyond_its_limit_is_refused_and_the_others_are_read(bench: Workbench) -> None:
    tip = bench.commit({"big.yaml": b"x" * 101, "red.yaml": RED})
    source = bench.source(limits=ReadLimits(file_bytes=100))
    source.look(None)

    snapshot = source.read(tip)

    assert snapshot.files == {"red.yaml": RED}
    assert [(p.code, p.subject, p.reason) for p in snapshot.problems] == [
        ("ATL101", "big.yaml", "the file is larger than 100 bytes")
    ]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ReadLimits(files=2), "it holds more than 2 YAML and JSON files"),
        (ReadLimits(total_bytes=50), "its YAML and JSON files hold more than 50 bytes"),
    ],
)
def test_a_tree_beyond_its_limits_is_refused_as_a_whole(
    bench: Workbench, limits: ReadLimits, reason: str
) -> None:
    tip = bench.commit({"a.yaml": RED, "b.yaml": RED, "c.yaml": RED})
    source = bench.source(limits=limits)
    source.look(None)

    problems = source.read(tip).problems

    assert [(p.code, p.subject, p.reason) for p in problems] == [("ATL115", ".", reason)]


def test_a_missing_ref_is_an_error_that_names_it(bench: Workbench) -> None:
    bench.commit({"red.yaml": RED})
    source = bench.source()
    source.look(None)
    bench.delete_ref()

    with pytest.raises(SourceError) as caught:
        source.look(None)

    assert caught.value.problem.code == "ATL803"
    assert caught.value.problem.reason == "ref main names no commit"


def test_an_empty_repository_has_no_ref(bench: Workbench) -> None:
    with pytest.raises(SourceError) as caught:
        bench.source().look(None)

    assert caught.value.problem.code == "ATL803"


def test_during_an_outage_looking_fails_and_what_was_seen_is_still_read(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED})
    source = bench.source()
    source.look(None)
    bench.go_away()

    with pytest.raises(SourceError) as caught:
        source.look(tip)

    assert caught.value.problem.code == "ATL802"
    assert source.read(tip).files == {"red.yaml": RED}


def test_a_branch_a_tag_and_a_commit_are_followed_by_their_full_names(bench: Workbench) -> None:
    first = bench.commit({"red.yaml": RED})
    bench.tag("v1", first)
    second = bench.commit({"red.yaml": BLUE})

    seen = [bench.source(ref=ref).look(None).revision for ref in ("refs/heads/main", "refs/tags/v1", first)]

    assert seen == [second, first, first]


def test_a_missing_tag_is_an_error_that_names_it(bench: Workbench) -> None:
    bench.commit({"red.yaml": RED})

    with pytest.raises(SourceError) as caught:
        bench.source(ref="refs/tags/v1").look(None)

    assert (caught.value.problem.code, caught.value.problem.reason) == (
        "ATL803",
        "ref refs/tags/v1 names no commit",
    )


def test_a_missing_commit_is_an_error_that_names_it(bench: Workbench) -> None:
    bench.commit({"red.yaml": RED})

    with pytest.raises(SourceError) as caught:
        bench.source(ref="1" * 40).look(None)

    assert (caught.value.problem.code, caught.value.problem.reason) == (
        "ATL803",
        f"ref {'1' * 40} names no commit",
    )


def test_a_tag_moved_elsewhere_and_another_commit_pinned_are_no_rewritten_history(bench: Workbench) -> None:
    bench.commit({"red.yaml": RED})
    second = bench.commit({"red.yaml": BLUE})
    other = bench.commit({"blue.yaml": BLUE}, amend=True)
    bench.tag("v1", other)

    assert not bench.source(ref="refs/tags/v1").look(second).rewritten
    assert not bench.source(ref=other).look(second).rewritten


def test_a_pinned_commit_once_seen_is_seen_during_an_outage_too(bench: Workbench) -> None:
    tip = bench.commit({"red.yaml": RED})
    source = bench.source(ref=tip)
    source.look(None)
    bench.go_away()

    assert source.look(tip).revision == tip


def faults(verification: Verification) -> list[tuple[str, Fault]]:
    return [(offence.revision, offence.fault) for offence in verification.offences]


def test_with_nothing_applied_before_the_tip_alone_is_verified(signing_bench: Workbench) -> None:
    signing_bench.commit({"red.yaml": RED})
    tip = signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(None)

    verification = source.verify(None, tip)

    assert verification.ok
    assert (verification.revision, verification.commits) == (tip, 1)
    assert [("alice" in signer.name, signer.commits) for signer in verification.signers] == [(True, 1)]


def test_every_commit_since_the_one_applied_is_verified_by_whom_it_is_signed(
    signing_bench: Workbench,
) -> None:
    applied = signing_bench.commit({"red.yaml": RED})
    signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    signing_bench.commit({"red.yaml": RED}, signer="bob")
    tip = signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice", "bob"))
    source.look(applied)

    verification = source.verify(applied, tip)

    assert verification.ok
    assert verification.commits == 3
    assert sorted(signer.commits for signer in verification.signers) == [1, 2]


def test_an_unsigned_commit_in_the_middle_of_a_push_refuses_it(signing_bench: Workbench) -> None:
    applied = signing_bench.commit({"red.yaml": RED}, signer="alice")
    signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    unsigned = signing_bench.commit({"evil.yaml": RED})
    tip = signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(applied)

    verification = source.verify(applied, tip)

    assert not verification.ok
    assert (verification.commits, verification.refused) == (3, 1)
    assert verification.offences == (
        Offence(revision=unsigned, fault=Fault.UNSIGNED, key="", author="author@example.com"),
    )
    assert str(verification) == f"commit {unsigned[:12]} of author@example.com: it is not signed"


def test_a_commit_signed_by_a_key_that_was_removed_is_refused(signing_bench: Workbench) -> None:
    tip = signing_bench.commit({"red.yaml": RED}, signer="mallory")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(None)

    verification = source.verify(None, tip)

    assert faults(verification) == [(tip, Fault.UNKNOWN_KEY)]
    assert verification.signers == ()


def test_every_parent_of_a_merge_brings_its_commits_to_be_verified(signing_bench: Workbench) -> None:
    applied = signing_bench.commit({"red.yaml": RED}, signer="alice")
    side = signing_bench.commit({"evil.yaml": RED}, parents=[applied], aside=True)
    main = signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    merge = signing_bench.commit({"red.yaml": BLUE}, signer="alice", parents=[main, side])
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(applied)

    verification = source.verify(applied, merge)

    assert verification.commits == 3
    assert faults(verification) == [(side, Fault.UNSIGNED)]


def test_after_a_rewritten_history_what_the_old_one_did_not_hold_is_verified(
    signing_bench: Workbench,
) -> None:
    signing_bench.commit({"red.yaml": RED})
    applied = signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(None)
    amended = signing_bench.commit({"blue.yaml": BLUE}, amend=True, signer="alice")
    source.look(applied)

    verification = source.verify(applied, amended)

    assert verification.ok
    assert verification.commits == 1


def test_where_the_applied_commit_is_lost_the_whole_history_is_verified(signing_bench: Workbench) -> None:
    root = signing_bench.commit({"red.yaml": RED})
    signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    tip = signing_bench.commit({"red.yaml": RED}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(None)
    lost = Revision("1" * 40)

    verification = source.verify(lost, tip)

    assert verification.commits == 3
    assert faults(verification) == [(root, Fault.UNSIGNED)]


def test_going_back_to_a_commit_from_before_needs_its_signature_too(signing_bench: Workbench) -> None:
    old = signing_bench.commit({"red.yaml": RED})
    applied = signing_bench.commit({"red.yaml": BLUE}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(None)

    assert faults(source.verify(applied, old)) == [(old, Fault.UNSIGNED)]
    assert source.verify(applied, applied).ok


def test_more_commits_than_can_be_verified_are_refused_unseen(signing_bench: Workbench) -> None:
    applied = signing_bench.commit({"red.yaml": RED}, signer="alice")
    for _ in range(2):
        signing_bench.commit({"red.yaml": BLUE}, signer="alice")
        tip = signing_bench.commit({"red.yaml": RED}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"), verify_commits=3)
    source.look(applied)

    with pytest.raises(SourceError) as caught:
        source.verify(applied, tip)

    assert caught.value.problem.code == "ATL815"
    assert caught.value.problem.reason == "more than 3 commits would have to be verified"


def test_signatures_are_verified_during_an_outage(signing_bench: Workbench) -> None:
    tip = signing_bench.commit({"red.yaml": RED}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(None)
    signing_bench.go_away()

    assert source.verify(None, tip).ok


def test_a_commit_that_was_never_fetched_cannot_be_verified(signing_bench: Workbench) -> None:
    tip = signing_bench.commit({"red.yaml": RED}, signer="alice")
    source = signing_bench.source(signers=allow(signing_bench.keys, "alice"))
    source.look(None)

    with pytest.raises(SourceError) as caught:
        source.verify(tip, Revision("1" * 40))

    assert caught.value.problem.code == "ATL803"
    assert caught.value.problem.reason == f"commit {'1' * 40} names no commit"
