"""Signatures against somebody who can push, but holds no allowed key; and what the keys may look like."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.git import GitRepository
from controller.signatures import Fault, Mode, Offence, Signers, Verification, signers_of
from controller.snapshot import Revision, SourceError
from tests.contracts.git_keys import GpgKeys, MemoryKeys, SshKeys, allow
from tests.contracts.git_workbench import DiskWorkbench

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


def verified(bench: DiskWorkbench, signers: Signers, *, applied: Revision | None = None) -> Verification:
    source = bench.source(signers=signers)
    return source.verify(applied, source.look(None).revision)


def faults(verification: Verification) -> list[Fault]:
    return [offence.fault for offence in verification.offences]


def problem(verification: Verification) -> str:
    return str(verification.problems[0])


# --- the commit ---------------------------------------------------------------------------------------


def rewritten(bench: DiskWorkbench, commit: Revision, old: bytes, new: bytes) -> Revision:
    """Store a commit with other content under its own true name, and put it on the branch."""
    content = bench.git("cat-file", "commit", commit).encode() + b"\n"
    assert old in content
    name = bench.git("hash-object", "-t", "commit", "-w", "--stdin", data=content.replace(old, new))
    bench.git("update-ref", "refs/heads/main", name)
    return Revision(name)


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


# --- GPG keys -----------------------------------------------------------------------------------------


def test_a_key_of_the_users_own_keyring_does_not_count(
    gpg: DiskWorkbench, gpg_keys: GpgKeys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpg.commit({"red.yaml": RED}, signer="mallory")
    monkeypatch.setenv("GNUPGHOME", str(gpg_keys.home))
    (tmp_path / ".gnupg").symlink_to(gpg_keys.home)
    monkeypatch.setenv("HOME", str(tmp_path))

    verification = verified(gpg, allow(gpg.keys, "alice"))

    assert faults(verification) == [Fault.UNKNOWN_KEY]
    key = verification.offences[0].key
    assert gpg_keys.fingerprint("mallory").endswith(key)
    assert problem(verification) == (
        f"error ATL811: commit {verification.revision[:12]} of author@example.com:"
        f" it is signed by key {key}, which is not among the allowed keys."
        " Add the public key to verify.keysFrom, or sign the commit with an allowed key."
    )


def test_a_binary_key_and_several_keys_in_one_value_are_read(gpg: DiskWorkbench, gpg_keys: GpgKeys) -> None:
    applied = gpg.commit({"red.yaml": RED}, signer="alice")
    gpg.commit({"red.yaml": EVIL}, signer="bob")
    users = [gpg_keys.fingerprint(name) for name in ("alice", "bob")]
    signers = signers_of(Mode.GPG, {"team": gpg_keys.gpg("--export", *users)}, place=PLACE)

    verification = verified(gpg, signers, applied=applied)

    assert verification.ok
    assert [signer.name for signer in verification.signers] == ["bob <bob@example.com>"]


def test_a_signing_subkey_counts_as_its_key_does(gpg: DiskWorkbench, gpg_keys: GpgKeys) -> None:
    primary = gpg_keys.fingerprint("carol")
    gpg_keys.gpg("--quick-add-key", primary, "ed25519", "sign", "never")
    gpg.commit({"red.yaml": RED}, signer="carol")

    verification = verified(gpg, allow(gpg.keys, "carol"))

    assert verification.ok
    assert verification.signers[0].key != primary
    assert str(verification) == (
        f"1 commit up to {verification.revision[:12]} signed by carol <carol@example.com> (1)"
    )


def test_a_revoked_subkey_does_not_count(gpg: DiskWorkbench, gpg_keys: GpgKeys) -> None:
    primary = gpg_keys.fingerprint("dave")
    gpg_keys.gpg("--quick-add-key", primary, "ed25519", "sign", "never")
    gpg.commit({"red.yaml": RED}, signer="dave")
    answers = b"key 1\nrevkey\ny\n0\n\ny\nsave\n"
    gpg_keys.gpg("--command-fd=0", "--no-batch", "--edit-key", primary, data=answers)

    assert faults(verified(gpg, allow(gpg.keys, "dave"))) == [Fault.REVOKED_KEY]


def test_a_revoked_key_does_not_count(gpg: DiskWorkbench, gpg_keys: GpgKeys) -> None:
    fingerprint = gpg_keys.fingerprint("erin")
    gpg.commit({"red.yaml": RED}, signer="erin")
    certificate = (gpg_keys.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
    gpg_keys.gpg("--import", data=certificate.replace(":-----BEGIN", "-----BEGIN").encode())

    verification = verified(gpg, allow(gpg.keys, "erin"))

    assert faults(verification) == [Fault.REVOKED_KEY]
    assert verification.problems[0].reason == f"it is signed by key {fingerprint}, which is revoked"


def test_an_expired_key_does_not_count_even_where_the_commit_is_older(
    gpg: DiskWorkbench, gpg_keys: GpgKeys, tmp_path: Path
) -> None:
    then = "--faked-system-time=20200101T000000"
    user = "frank <frank@example.com>"
    gpg_keys.gpg(then, "--quick-generate-key", user, "ed25519", "sign", "1d")
    program = tmp_path / "gpg-in-2020"
    program.write_text(f'#!/bin/sh\nexec gpg --batch --pinentry-mode=loopback {then} "$@"\n')
    program.chmod(0o755)
    gpg.environment["GIT_COMMITTER_DATE"] = "2020-01-01T01:00:00Z"
    gpg.git("config", "gpg.program", str(program))
    gpg.commit({"red.yaml": RED}, signer="frank")

    assert faults(verified(gpg, allow(gpg.keys, "frank"))) == [Fault.EXPIRED_KEY]


def test_a_value_that_is_no_gpg_key_is_an_error_that_names_it(gpg: DiskWorkbench) -> None:
    gpg.commit({"red.yaml": RED}, signer="alice")
    data = {"alice.asc": gpg.keys.public("alice"), "note": b"keys of the team"}

    with pytest.raises(SourceError) as caught:
        verified(gpg, signers_of(Mode.GPG, data, place=PLACE))

    assert str(caught.value) == (
        f"error ATL813: {PLACE}: note holds no public GPG key."
        " Give public keys: what gpg --export --armor prints, .pub files or allowed_signers."
    )


@pytest.mark.parametrize("armor", [["--armor"], []])
def test_a_private_gpg_key_is_refused(armor: list[str], gpg_keys: GpgKeys) -> None:
    secret = gpg_keys.gpg(*armor, "--export-secret-keys", gpg_keys.fingerprint("alice"))

    with pytest.raises(SourceError) as caught:
        signers_of(Mode.GPG, {"alice.asc": secret}, place=PLACE)

    assert str(caught.value) == (
        f"error ATL813: {PLACE}: alice.asc is a private key. Give the public one, and replace this one."
    )


# --- SSH keys -----------------------------------------------------------------------------------------


def allowed(keys: SshKeys, name: str, *, options: str = "") -> Signers:
    line = b"%s %s%s" % (name.encode(), f"{options} ".encode() if options else b"", keys.public(name))
    return signers_of(Mode.SSH, {"allowed_signers": line}, place=PLACE)


@pytest.mark.parametrize(
    "options",
    [
        'namespaces="git"',
        "namespaces=file,git",
        'namespaces="g*"',
        'valid-after="20200101"',
        "valid-before=29990101000000Z",
        'namespaces="git",valid-after="20200101",valid-before="29990101"',
    ],
)
def test_a_key_counts_within_its_limits(options: str, ssh: DiskWorkbench, ssh_keys: SshKeys) -> None:
    ssh.commit({"red.yaml": RED}, signer="alice")
    first = options.replace("file,git", '"file,git"')

    verification = verified(ssh, allowed(ssh_keys, "alice", options=first))

    assert verification.ok
    assert str(verification) == f"1 commit up to {verification.revision[:12]} signed by alice (1)"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ('namespaces="file"', Fault.NOT_FOR_GIT),
        ('namespaces="*,!git"', Fault.NOT_FOR_GIT),
        ('valid-before="20200101"', Fault.EXPIRED_KEY),
        ('valid-after="29990101"', Fault.OUTSIDE_VALIDITY),
    ],
)
def test_a_key_does_not_count_beyond_its_limits(
    options: str, fault: Fault, ssh: DiskWorkbench, ssh_keys: SshKeys
) -> None:
    ssh.commit({"red.yaml": RED}, signer="alice")

    assert faults(verified(ssh, allowed(ssh_keys, "alice", options=options))) == [fault]


def test_a_commit_dated_into_the_past_does_not_revive_an_expired_key(
    ssh: DiskWorkbench, ssh_keys: SshKeys
) -> None:
    ssh.environment["GIT_COMMITTER_DATE"] = "2019-01-01T00:00:00Z"
    ssh.commit({"red.yaml": RED}, signer="alice")

    verification = verified(ssh, allowed(ssh_keys, "alice", options='valid-before="20200101"'))

    assert faults(verification) == [Fault.EXPIRED_KEY]


def test_a_commit_dated_before_its_key_was_valid_is_refused(ssh: DiskWorkbench, ssh_keys: SshKeys) -> None:
    ssh.environment["GIT_COMMITTER_DATE"] = "2019-01-01T00:00:00Z"
    ssh.commit({"red.yaml": RED}, signer="alice")

    verification = verified(ssh, allowed(ssh_keys, "alice", options='valid-after="20200101"'))

    assert faults(verification) == [Fault.OUTSIDE_VALIDITY]


def test_a_second_line_may_allow_what_the_first_does_not(ssh: DiskWorkbench, ssh_keys: SshKeys) -> None:
    ssh.commit({"red.yaml": RED}, signer="alice")
    key = ssh_keys.public("alice")
    lines = b'# the team\n\nold namespaces="file" %snew %s' % (key, key)

    verification = verified(ssh, signers_of(Mode.SSH, {"allowed_signers": lines}, place=PLACE))

    assert [signer.name for signer in verification.signers] == ["new"]


def test_what_ssh_signed_for_another_purpose_is_no_signature_of_a_commit(
    ssh: DiskWorkbench, ssh_keys: SshKeys, tmp_path: Path
) -> None:
    plain = ssh.commit({"red.yaml": EVIL})
    ssh_keys.public("alice")
    payload = tmp_path / "payload"
    payload.write_bytes(ssh.git("cat-file", "commit", plain).encode() + b"\n")
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", str(ssh_keys.folder / "alice")]
    subprocess.run([*command, str(payload)], check=True, capture_output=True)
    signature = (tmp_path / "payload.sig").read_text().strip().replace("\n", "\n ")
    rewritten(ssh, plain, b"\n\nchange", f"\ngpgsig {signature}\n\nchange".encode())

    assert not verified(ssh, allow(ssh.keys, "alice")).ok


PUBLIC = MemoryKeys().public("alice").decode().strip()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello", "it is neither an allowed_signers line nor a public key that can sign"),
        ("alice ssh-ed25519", "it is neither an allowed_signers line nor a public key that can sign"),
        ("ssh-dss AAAA alice", "it is neither an allowed_signers line nor a public key that can sign"),
        ("ssh-ed25519 A*AA alice", "its key is not base64"),
        (PUBLIC.replace("ssh-ed25519", "ssh-rsa"), "its key is not of the type ssh-rsa"),
        (f"alice cert-authority {PUBLIC}", "certificate authorities are not supported, only keys"),
        (f'alice from="10.0.0.1" {PUBLIC}', "the option from is unknown or repeated"),
        (f"alice valid-before=1,valid-before=2 {PUBLIC}", "the option valid-before is unknown or repeated"),
        (f'alice namespaces="" {PUBLIC}', "the option namespaces has no value"),
        (f"alice ,, {PUBLIC}", "its options cannot be read: ,,"),
        (f"alice valid-before=tomorrow {PUBLIC}", "tomorrow is no time as YYYYMMDD or YYYYMMDDHHMM[SS]"),
        (f'namespaces="git" {PUBLIC}', "its options stand where the principals should"),
    ],
)
def test_a_line_that_is_no_ssh_key_is_an_error_that_names_it(line: str, reason: str) -> None:
    with pytest.raises(SourceError) as caught:
        signers_of(Mode.SSH, {"team": f"{PUBLIC}\n{line}\n".encode()}, place=PLACE)

    assert str(caught.value) == (
        f"error ATL813: {PLACE}: line 2 of team: {reason}."
        " Give public keys: what gpg --export --armor prints, .pub files or allowed_signers."
    )


def test_a_private_ssh_key_is_refused(ssh_keys: SshKeys) -> None:
    ssh_keys.public("alice")

    with pytest.raises(SourceError) as caught:
        signers_of(Mode.SSH, {"alice": (ssh_keys.folder / "alice").read_bytes()}, place=PLACE)

    assert caught.value.problem.reason == "alice is a private key"


@pytest.mark.parametrize("data", [{}, {"keys": b"\n"}, {"keys": b"# nobody yet\n"}])
def test_a_secret_without_a_key_is_refused(data: dict[str, bytes]) -> None:
    with pytest.raises(SourceError) as caught:
        signers_of(Mode.SSH, data, place=PLACE)

    assert caught.value.problem.reason == "it holds no key"


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
