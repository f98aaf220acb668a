"""Signatures against somebody who can push, but holds no allowed key; and what the keys may look like."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from controller.git import GitRepository
from controller.signatures import Fault, Mode, Offence, signers_of
from controller.snapshot import Revision, SourceError
from tests.contracts.git_keys import GpgKeys, MemoryKeys, SshKeys, allow
from tests.contracts.git_workbench import DiskWorkbench
from tests.controller.signing import faults, problem, rewritten, verified

RED, EVIL = b"kind: VirtualNetwork\n", b"kind: VirtualNetworkRouter\n"
PLACE = "Secret atoll-system/keys"


@pytest.fixture(scope="module")
def gpg_keys() -> Iterator[GpgKeys]:
    with GpgKeys() as keys:
        yield keys


@pytest.fixture(scope="module")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> SshKeys:
    return SshKeys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def gpg(tmp_path: Path, gpg_keys: GpgKeys) -> DiskWorkbench:
    return DiskWorkbench(tmp_path, gpg_keys)


@pytest.fixture
def ssh(tmp_path: Path, ssh_keys: SshKeys) -> DiskWorkbench:
    return DiskWorkbench(tmp_path, ssh_keys)


# --- the commit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gpg", "ssh"])
def test_a_signature_taken_over_to_another_content_is_bad(kind: str, request: pytest.FixtureRequest) -> None:
    bench: DiskWorkbench = request.getfixturevalue(kind)
    signed = bench.commit({"red.yaml": RED}, signer="alice")
    forged = rewritten(bench, signed, b"\n\nchange", b"\n\nother")

    verification = verified(bench, allow(bench.keys, "alice"))

    assert [(o.revision, o.fault) for o in verification.offences] == [(forged, Fault.BAD_SIGNATURE)]
    assert problem(verification) == (
        f"error ATL812: commit {forged[:12]} of author@example.com: its signature does not match its content."
        " Sign the commit with a key that is valid now, and push again."
    )


@pytest.mark.parametrize("kind", ["gpg", "ssh"])
def test_a_good_signature_behind_another_one_does_not_count(
    kind: str, request: pytest.FixtureRequest
) -> None:
    bench: DiskWorkbench = request.getfixturevalue(kind)
    other = bench.commit({"red.yaml": RED, "b.yaml": RED}, signer="mallory")
    signature = bench.git("cat-file", "commit", other).partition("gpgsig ")[2].partition("\n\n")[0]
    signed = bench.commit({"red.yaml": RED}, signer="alice")
    rewritten(bench, signed, b"gpgsig ", f"gpgsig {signature}\ngpgsig ".encode())

    assert not verified(bench, allow(bench.keys, "alice")).ok


@pytest.mark.parametrize("kind", ["gpg", "ssh"])
def test_a_signature_that_is_no_signature_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    bench: DiskWorkbench = request.getfixturevalue(kind)
    head = "PGP SIGNATURE" if kind == "gpg" else "SSH SIGNATURE"
    plain = bench.commit({"red.yaml": RED})
    text = f"\ngpgsig -----BEGIN {head}-----\n \n AAAA\n -----END {head}-----\n\nchange".encode()
    rewritten(bench, plain, b"\n\nchange", text)

    verification = verified(bench, allow(bench.keys, "alice"))

    assert verification.refused == 1
    assert not verification.ok


def test_a_program_that_ends_before_it_reads_the_commit_does_not_end_git(ssh: DiskWorkbench) -> None:
    plain = ssh.commit({"red.yaml": RED})
    signature = b"\ngpgsig -----BEGIN SSH SIGNATURE-----\n \n AAAA\n -----END SSH SIGNATURE-----\n\n"
    # More than a pipe takes: git is still writing when ssh-keygen refuses the signature and ends.
    forged = rewritten(ssh, plain, b"\n\nchange", signature + b"change " * 100_000)

    verification = verified(ssh, allow(ssh.keys, "alice"))

    assert [offence.revision for offence in verification.offences] == [forged]


def test_a_signed_tag_does_not_sign_its_commit(gpg: DiskWorkbench) -> None:
    tip = gpg.commit({"red.yaml": RED})
    gpg.git(*gpg.keys.settings("alice"), "tag", "-s", "-m", "first", "v1", "main")
    source = gpg.source(ref="refs/tags/v1", signers=allow(gpg.keys, "alice"))

    verification = source.verify(None, source.look(None).revision)

    assert [(o.revision, o.fault) for o in verification.offences] == [(tip, Fault.UNSIGNED)]


def test_a_merge_that_brings_what_neither_side_held_needs_its_own_signature(gpg: DiskWorkbench) -> None:
    applied = gpg.commit({"red.yaml": RED}, signer="alice")
    side = gpg.commit({"red.yaml": RED, "b.yaml": RED}, signer="alice", parents=[applied], aside=True)
    merge = gpg.commit({"red.yaml": EVIL}, parents=[applied, side])

    verification = verified(gpg, allow(gpg.keys, "alice"), applied=applied)

    assert [(o.revision, o.fault) for o in verification.offences] == [(merge, Fault.UNSIGNED)]


def test_a_name_in_a_commit_proves_nothing(gpg: DiskWorkbench) -> None:
    gpg.environment["GIT_COMMITTER_EMAIL"] = gpg.environment["GIT_AUTHOR_EMAIL"] = "alice@example.com"
    gpg.commit({"red.yaml": EVIL}, signer="mallory")

    verification = verified(gpg, allow(gpg.keys, "alice"))

    assert faults(verification) == [Fault.UNKNOWN_KEY]
    assert "of alice@example.com" in problem(verification)


@pytest.mark.parametrize(("kind", "mode"), [("gpg", Mode.SSH), ("ssh", Mode.GPG)])
def test_a_signature_of_the_other_kind_does_not_count(
    kind: str, mode: Mode, request: pytest.FixtureRequest, gpg_keys: GpgKeys, ssh_keys: SshKeys
) -> None:
    bench: DiskWorkbench = request.getfixturevalue(kind)
    bench.commit({"red.yaml": RED}, signer="alice")
    signers = allow(ssh_keys if mode is Mode.SSH else gpg_keys, "alice")

    verification = verified(bench, signers)

    assert verification.refused == 1
    assert not verification.ok


# --- the repository -----------------------------------------------------------------------------------


def test_a_replacement_in_the_repository_replaces_nothing(gpg: DiskWorkbench) -> None:
    signed = gpg.commit({"red.yaml": RED}, signer="alice")
    unsigned = gpg.commit({"red.yaml": EVIL})
    gpg.git("replace", unsigned, signed)

    assert faults(verified(gpg, allow(gpg.keys, "alice"))) == [Fault.UNSIGNED]


def test_a_replacement_in_the_cache_replaces_nothing(gpg: DiskWorkbench, tmp_path: Path) -> None:
    signed = gpg.commit({"red.yaml": RED}, signer="alice")
    unsigned = gpg.commit({"red.yaml": EVIL})
    source = gpg.source(signers=allow(gpg.keys, "alice"))
    source.look(None)
    gpg.git("--git-dir", str(tmp_path / "cache.git"), "replace", unsigned, signed)

    with pytest.raises(SourceError) as caught:
        source.verify(None, unsigned)
    assert "refs/replace" in caught.value.problem.reason
    assert source.read(unsigned).files == {"red.yaml": EVIL}

    source.look(None)
    assert faults(source.verify(None, unsigned)) == [Fault.UNSIGNED]


@pytest.mark.parametrize("name", ["info/grafts", "shallow"])
def test_a_history_cut_short_in_the_cache_is_fetched_anew(
    name: str, gpg: DiskWorkbench, tmp_path: Path
) -> None:
    applied = gpg.commit({"red.yaml": RED}, signer="alice")
    unsigned = gpg.commit({"red.yaml": EVIL})
    tip = gpg.commit({"red.yaml": RED}, signer="alice")
    source = gpg.source(signers=allow(gpg.keys, "alice"))
    source.look(None)
    (tmp_path / "cache.git" / "info").mkdir(exist_ok=True)
    (tmp_path / "cache.git" / name).write_text(f"{tip}\n")
    with pytest.raises(SourceError):
        source.verify(applied, tip)
    source.look(None)

    verification = source.verify(applied, tip)

    assert [o.revision for o in verification.offences] == [unsigned]


def test_a_repository_with_a_history_cut_short_is_refused(gpg: DiskWorkbench) -> None:
    gpg.commit({"red.yaml": RED})
    tip = gpg.commit({"red.yaml": RED}, signer="alice")
    (gpg.path / "shallow").write_text(f"{tip}\n")

    with pytest.raises(SourceError) as caught:
        gpg.source().look(None)

    assert str(caught.value) == (
        f"error ATL802: repository {gpg.path}: its history is cut short, as in a shallow clone."
        " Give a complete repository."
    )


def test_programs_named_in_the_configuration_of_the_cache_do_not_run(
    gpg: DiskWorkbench, tmp_path: Path
) -> None:
    unsigned_key = gpg.commit({"red.yaml": EVIL}, signer="mallory")
    source = gpg.source(signers=allow(gpg.keys, "alice"))
    source.look(None)
    liar = tmp_path / "liar"
    liar.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    liar.chmod(0o755)
    for setting in ("gpg.program", "gpg.openpgp.program", "gpg.ssh.program", "gpg.x509.program"):
        gpg.git("--git-dir", str(tmp_path / "cache.git"), "config", setting, str(liar))

    assert faults(source.verify(None, unsigned_key)) == [Fault.UNKNOWN_KEY]
    assert not (tmp_path / "ran").exists()


def loosen(bench: DiskWorkbench, cache: Path) -> None:
    """Turn the packs of a cache into single files, as they are easier to exchange."""
    for pack in (cache / "objects" / "pack").glob("*.pack"):
        data = pack.read_bytes()
        pack.with_suffix(".idx").unlink()
        pack.unlink()
        bench.git("--git-dir", str(cache), "unpack-objects", "-q", data=data)


def loose(repository: Path, name: str) -> Path:
    return repository / "objects" / name[:2] / name[2:]


def test_another_signed_commit_under_the_name_of_one_is_noticed(gpg: DiskWorkbench, tmp_path: Path) -> None:
    signed = gpg.commit({"red.yaml": EVIL}, signer="alice")
    tip = gpg.commit({"red.yaml": RED}, signer="alice")
    source = gpg.source(signers=allow(gpg.keys, "alice"))
    source.look(None)
    cache = tmp_path / "cache.git"
    loosen(gpg, cache)
    loose(cache, tip).chmod(0o644)
    shutil.copyfile(loose(cache, signed), loose(cache, tip))

    with pytest.raises(SourceError) as caught:
        source.verify(None, tip)
    assert caught.value.problem.code == "ATL804"
    assert f"commit {tip} does not have the content that its name says" in caught.value.problem.reason
    with pytest.raises(SourceError):
        source.read(tip)


@pytest.mark.parametrize("kind", ["blob", "tree"])
def test_a_file_exchanged_after_the_commit_was_verified_is_not_read(
    kind: str, gpg: DiskWorkbench, tmp_path: Path
) -> None:
    tip = gpg.commit({"red.yaml": RED}, signer="alice")
    gpg.commit({"red.yaml": EVIL}, signer="alice")
    source = gpg.source(signers=allow(gpg.keys, "alice"))
    source.look(None)
    what = ":red.yaml" if kind == "blob" else "^{tree}"
    cache = tmp_path / "cache.git"
    good, evil = (gpg.git("rev-parse", f"{revision}{what}") for revision in (tip, "main"))
    assert source.verify(None, tip).ok
    loosen(gpg, cache)
    loose(cache, good).chmod(0o644)
    shutil.copyfile(loose(cache, evil), loose(cache, good))

    with pytest.raises(SourceError) as caught:
        source.read(tip)

    assert f"{kind} {good} does not have the content that its name says" in caught.value.problem.reason


def test_a_commit_tampered_with_at_the_host_does_not_arrive(gpg: DiskWorkbench) -> None:
    signed = gpg.commit({"red.yaml": EVIL}, signer="alice")
    tip = gpg.commit({"red.yaml": RED}, signer="alice")
    loose(gpg.path, tip).chmod(0o644)
    shutil.copyfile(loose(gpg.path, signed), loose(gpg.path, tip))

    with pytest.raises(SourceError):
        gpg.source().look(None)


# --- the machine --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("gpg", "gpg of the package gnupg is not installed"),
        ("ssh", "ssh-keygen of the package openssh-client is not installed"),
    ],
)
def test_a_missing_program_is_named(
    kind: str,
    reason: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench: DiskWorkbench = request.getfixturevalue(kind)
    tip = bench.commit({"red.yaml": RED}, signer="alice")
    source = bench.source(signers=allow(bench.keys, "alice"))
    source.look(None)
    git = shutil.which("git")
    assert git
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with pytest.raises(SourceError) as caught:
        source.verify(None, tip)

    assert (caught.value.problem.code, caught.value.problem.reason) == ("ATL815", reason)


def test_verifying_leaves_nothing_behind(
    gpg: DiskWorkbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpg.commit({"red.yaml": RED}, signer="alice")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))

    assert verified(gpg, allow(gpg.keys, "alice")).ok
    assert os.listdir(tmp_path / "tmp") == []


def test_a_repository_without_signers_verifies_nothing(gpg: DiskWorkbench) -> None:
    tip = gpg.commit({"red.yaml": RED}, signer="alice")

    with pytest.raises(ValueError, match="without signers"):
        gpg.source().verify(None, tip)


def test_the_first_of_many_offences_are_told_and_the_others_counted(gpg: DiskWorkbench) -> None:
    applied = gpg.commit({"red.yaml": RED}, signer="alice")
    first = gpg.commit({"red.yaml": EVIL})
    for number in range(14):
        gpg.commit({"red.yaml": b"%d" % number})

    verification = verified(gpg, allow(gpg.keys, "alice"), applied=applied)

    assert (verification.refused, len(verification.offences)) == (15, 10)
    assert str(verification) == f"commit {first[:12]} of author@example.com: it is not signed (and 14 more)"
    assert str(verification.problems[0]) == (
        f"error ATL810: commit {first[:12]} of author@example.com: it is not signed."
        " Sign it, with git commit --amend --no-edit -S, and push again."
    )


def test_what_an_author_writes_is_shown_in_escaped_form() -> None:
    offence = Offence(revision=Revision("1" * 40), fault=Fault.UNSIGNED, key="", author="a\x1b[2J@b")

    assert offence.problem.subject == "commit 111111111111 of a\\x1b[2J@b"


def test_signers_do_not_depend_on_the_order_of_a_secrets_keys() -> None:
    one, other = MemoryKeys().public("alice"), MemoryKeys().public("bob")

    assert list(signers_of(Mode.SSH, {"b": one, "a": other}, place=PLACE).keys) == ["a", "b"]


def test_a_source_stays_a_value(gpg: DiskWorkbench) -> None:
    source = gpg.source()

    assert isinstance(replace(source, signers=allow(gpg.keys, "alice")), GitRepository)


# --- the guide ----------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "signed-commits.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def test_the_source_in_the_guide_is_valid() -> None:
    (document,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)

    source = YAML(typ="safe").load(document)

    Draft202012Validator(json.loads((ROOT / "schemas" / "networksource.json").read_text())).validate(source)
    assert Mode(source["spec"]["verify"]["mode"]) is Mode.GPG


def test_a_code_in_the_guide_leads_to_its_explanation() -> None:
    reference = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
        for line in reference.splitlines()
        if line.startswith("### ")
    }
    links = re.findall(r"\[(ATL\d{3})\]\(\.\./reference/errors\.md#([a-z0-9-]+)\)", TEXT)

    assert {code for code, _ in links} == {"ATL805", "ATL810", "ATL811", "ATL812", "ATL813", "ATL815"}
    assert {anchor for _, anchor in links} <= headings
