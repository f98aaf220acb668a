"""Keys that may sign: what they may look like, and which of them count."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.signatures import Fault, Mode, Signers, signers_of
from controller.snapshot import SourceError
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
