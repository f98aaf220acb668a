"""Credentials: what of a Secret is taken, what is refused, and what they print as."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from controller.credentials import Credentials, credentials_of
from controller.location import Location, parse_location
from controller.snapshot import SourceError

PLACE = "Secret atoll-system/repository"
HTTPS = parse_location("https://git.example.com/networks.git")
SSH = parse_location("ssh://git@git.example.com/networks.git")
PASSWORD = "pass word/1%+ä"  # noqa: S105 - opens nothing
TOKEN = "tokentokentoken"  # noqa: S105 - opens nothing


def refusal(data: dict[str, bytes], location: Location) -> str:
    with pytest.raises(SourceError) as caught:
        credentials_of(data, location, place=PLACE)
    return str(caught.value)


def private_key(folder: Path, *options: str) -> bytes:
    path = folder / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-f", str(path), *options]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.read_bytes()


# --- the Secret ---------------------------------------------------------------------------------------


def test_a_user_with_a_password_is_for_https() -> None:
    credentials = credentials_of({"username": b"atoll\n", "password": b"secret\n"}, HTTPS)

    assert credentials == Credentials(username="atoll", password="secret")


def test_a_token_and_an_authority_are_for_https() -> None:
    pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

    credentials = credentials_of({"bearerToken": b"token", "ca.crt": pem}, HTTPS)

    assert credentials == Credentials(bearer_token="token", certificates=pem)


def test_a_key_and_the_hosts_keys_are_for_ssh_with_line_ends_as_ssh_wants_them(tmp_path: Path) -> None:
    key = private_key(tmp_path, "-N", "")

    credentials = credentials_of(
        {
            "identity": key.replace(b"\n", b"\r\n").rstrip(),
            "known_hosts": b"git.example.com ssh-ed25519 AAAA",
        },
        SSH,
    )

    assert credentials.identity == key
    assert credentials.known_hosts == b"git.example.com ssh-ed25519 AAAA\n"


@pytest.mark.parametrize(
    ("data", "reason", "remedy"),
    [
        (
            {},
            "it holds nothing that https could use",
            "Give username and password, bearerToken or ca.crt",
        ),
        ({"username": b"atoll"}, "it holds no password", "Give both username and password"),
        ({"password": b"secret"}, "it holds no username", "Give both username and password"),
        (
            {"username": b"a", "password": b"b", "bearerToken": b"c"},
            "it holds bearerToken beside username or password",
            "Keep one of them",
        ),
        ({"bearerToken": b"a\nb"}, "bearerToken holds a control character", "Give it as one line"),
        (
            {"bearerToken": b"\xff"},
            "bearerToken is not UTF-8",
            "Correct the Secret that spec.secretRef names",
        ),
        ({"bearerToken": b"a", "ca.crt": b"x"}, "ca.crt holds no certificate", "Give it in PEM form"),
    ],
)
def test_a_secret_that_does_not_fit_https_is_refused(
    data: dict[str, bytes], reason: str, remedy: str
) -> None:
    assert refusal(data, HTTPS) == f"error ATL814: {PLACE}: {reason}. {remedy}."


def test_a_user_other_than_the_one_in_the_url_is_refused() -> None:
    location = parse_location("https://bob@git.example.com/networks.git")

    assert refusal({"username": b"atoll", "password": b"secret"}, location) == (
        f"error ATL814: {PLACE}: its username is not the one in the URL. Remove the user from the URL."
    )


def test_for_ssh_the_host_must_be_known(tmp_path: Path) -> None:
    key = private_key(tmp_path, "-N", "")

    for known_hosts in (b"", b"# nobody\n"):
        assert refusal({"identity": key, "known_hosts": known_hosts}, SSH) == (
            f"error ATL814: {PLACE}: it holds no known_hosts, so that the host could not prove who it is."
            " Give what ssh-keyscan prints for the host as known_hosts, once checked."
        )


@pytest.mark.parametrize("form", ["OpenSSH", "PEM", "PKCS8"])
def test_a_key_with_a_passphrase_is_refused(form: str, tmp_path: Path) -> None:
    options = ["-N", "passphrase"] if form == "OpenSSH" else ["-N", "passphrase", "-m", form, "-t", "ecdsa"]
    key = private_key(tmp_path, *options)

    assert refusal({"identity": key, "known_hosts": b"host key"}, SSH) == (
        f"error ATL814: {PLACE}: a private key with a passphrase is not supported."
        " Make a key of its own with ssh-keygen -N '', and give no password."
    )


def test_a_passphrase_beside_a_key_is_refused(tmp_path: Path) -> None:
    data = {"identity": private_key(tmp_path, "-N", ""), "known_hosts": b"host key", "password": b"secret"}

    assert "a private key with a passphrase is not supported" in refusal(data, SSH)


def test_for_ssh_there_must_be_a_private_key() -> None:
    assert refusal({"username": b"a", "password": b"b"}, SSH) == (
        f"error ATL814: {PLACE}: it holds no identity. Give the private key as identity."
    )
    assert refusal({"identity": b"ssh-ed25519 AAAA me", "known_hosts": b"host key"}, SSH) == (
        f"error ATL814: {PLACE}: identity is no private key."
        " Give the file that ssh-keygen made, without .pub."
    )


def test_a_local_repository_takes_no_credentials(tmp_path: Path) -> None:
    assert refusal({"bearerToken": b"a"}, parse_location(str(tmp_path))) == (
        f"error ATL814: {PLACE}: a local repository takes no credentials. Remove secretRef."
    )


def test_credentials_print_as_what_they_are_and_not_as_the_secret() -> None:
    credentials = Credentials(username="atoll", password=PASSWORD, certificates=b"x")

    assert (
        repr(credentials)
        == str(credentials)
        == f"{credentials}"
        == ("Credentials(username, password, certificates)")
    )


def test_every_form_of_a_secret_is_scrubbed(tmp_path: Path) -> None:
    basic = base64.b64encode(f"atoll:{PASSWORD}".encode()).decode()
    credentials = Credentials(username="atoll", password=PASSWORD)
    key = private_key(tmp_path, "-N", "")

    said = f"https://atoll:pass%20word%2F1%25%2B%C3%A4@host: {PASSWORD} Basic {basic}"

    assert credentials.scrubbed(said) == "https://atoll:***@host: *** Basic ***"
    assert Credentials(bearer_token=TOKEN).scrubbed(f"Bearer {TOKEN}!") == "Bearer ***!"
    assert Credentials(identity=key).scrubbed(key.decode().splitlines()[1]) == "***"
