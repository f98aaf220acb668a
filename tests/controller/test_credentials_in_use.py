"""Credentials in use: Git shows them to the host that they are for, and to nobody else."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controller.credentials import credentials_of
from controller.git import GitRepository
from controller.location import parse_location
from controller.snapshot import SourceError
from tests.contracts.git_workbench import DiskWorkbench

RED = b"kind: VirtualNetwork\n"
SSH = parse_location("ssh://git@git.example.com/networks.git")
PASSWORD = "pass word/1%+ä"  # noqa: S105 - opens nothing
TOKEN = "tokentokentoken"  # noqa: S105 - opens nothing


def private_key(folder: Path, *options: str) -> bytes:
    path = folder / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-f", str(path), *options]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.read_bytes()


# --- https --------------------------------------------------------------------------------------------


class Host(ThreadingHTTPServer):
    """A Git host: serves files over https to whoever shows the right header."""

    daemon_threads = True
    wanted: str = ""
    redirect: str = ""
    seen: list[str | None]
    exposed: list[str]

    def start(self, folder: Path, certificate: Path) -> None:
        self.seen, self.exposed = [], []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.RequestHandlerClass = partial(Handler, directory=str(folder))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}/remote.git"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust the certificate hangs up; that is what its test is about."""


class Handler(SimpleHTTPRequestHandler):
    server: Host
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        header = self.headers.get("Authorization")
        self.server.seen.append(header)
        self.server.exposed += [path for path in ("cmdline", "environ") if _is_exposed(path)]
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect + self.path.removeprefix("/remote.git"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif header != self.server.wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="networks"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


def _is_exposed(what: str) -> bool:
    """Whether a secret stands in the command line or environment of any process of ours."""
    forms = [PASSWORD.encode(), TOKEN.encode(), b"pass%20word", _basic().removeprefix("Basic ").encode()]
    return any(form in content for content in _processes(what) for form in forms)


def _processes(what: str) -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield (process / what).read_bytes()
        except OSError:
            continue  # ended, or not ours


def _basic() -> str:
    return "Basic " + base64.b64encode(f"atoll:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-nodes", "-subj", "/CN=git", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.crt")]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "ca.crt").read_bytes())
    return both


@pytest.fixture
def bench(tmp_path: Path) -> DiskWorkbench:
    bench = DiskWorkbench(tmp_path)
    bench.commit({"red.yaml": RED})
    bench.git("update-server-info")
    return bench


@contextmanager
def serving(
    bench: DiskWorkbench, certificate: Path, *, wanted: str = "", redirect: str = ""
) -> Iterator[Host]:
    with Host(("127.0.0.1", 0), Handler) as host:
        host.wanted, host.redirect = wanted, redirect
        host.start(bench.folder, certificate)
        try:
            yield host
        finally:
            host.shutdown()


def over_https(host: Host, bench: DiskWorkbench, data: dict[str, bytes], certificate: Path) -> GitRepository:
    location = parse_location(host.url)
    ca = certificate.with_name("ca.crt").read_bytes()
    credentials = credentials_of(data | {"ca.crt": ca}, location)
    return replace(bench.source(), location=location, credentials=credentials)


PASSWORD_DATA = {"username": b"atoll", "password": PASSWORD.encode()}
TOKEN_DATA = {"bearerToken": TOKEN.encode()}


@pytest.mark.parametrize(
    ("data", "wanted"), [(PASSWORD_DATA, _basic()), (TOKEN_DATA, f"Bearer {TOKEN}")], ids=["user", "token"]
)
def test_a_host_is_shown_the_secret_and_no_process_shows_it(
    data: dict[str, bytes],
    wanted: str,
    bench: DiskWorkbench,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.delenv("HOME")
    with serving(bench, certificate, wanted=wanted) as host:
        source = over_https(host, bench, data, certificate)
        tip = source.look(None).revision

    assert source.read(tip).files == {"red.yaml": RED}
    assert wanted in host.seen
    assert host.exposed == []
    assert list((tmp_path / "tmp").iterdir()) == []
    written = [path.read_bytes() for path in (tmp_path / "cache.git").rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in content or TOKEN.encode() in content for content in written)


def test_a_wrong_password_is_an_error_without_it(bench: DiskWorkbench, certificate: Path) -> None:
    with serving(bench, certificate, wanted="Basic other") as host:
        source = over_https(host, bench, PASSWORD_DATA, certificate)
        with pytest.raises(SourceError) as caught:
            source.look(None)

    assert str(caught.value) == (
        f"error ATL802: repository {host.url}: access is denied: Authentication failed for '{host.url}/'."
        " Correct the Secret that spec.secretRef names."
    )


def test_a_host_of_an_unknown_authority_is_not_shown_the_secret(
    bench: DiskWorkbench, certificate: Path
) -> None:
    with serving(bench, certificate, wanted=_basic()) as host:
        location = parse_location(host.url)
        credentials = credentials_of(PASSWORD_DATA, location)
        with pytest.raises(SourceError) as caught:
            replace(bench.source(), location=location, credentials=credentials).look(None)

    assert host.seen == []
    assert caught.value.problem.remedy == (
        "Put its key into known_hosts of the Secret, or its authority into ca.crt"
    )


def test_a_password_does_not_follow_a_redirect_to_another_host(
    bench: DiskWorkbench, certificate: Path
) -> None:
    with (
        serving(bench, certificate, wanted=_basic()) as other,
        serving(bench, certificate, redirect=other.url) as host,
        pytest.raises(SourceError) as caught,
    ):
        over_https(host, bench, PASSWORD_DATA, certificate).look(None)

    assert set(other.seen) == {None}
    assert caught.value.problem.reason.startswith("access is denied")


def test_a_token_does_not_follow_a_redirect_at_all(bench: DiskWorkbench, certificate: Path) -> None:
    with (
        serving(bench, certificate, wanted=f"Bearer {TOKEN}") as other,
        serving(bench, certificate, redirect=other.url) as host,
        pytest.raises(SourceError) as caught,
    ):
        over_https(host, bench, TOKEN_DATA, certificate).look(None)

    assert other.seen == []
    assert caught.value.problem.reason.startswith("the host redirects")
    assert caught.value.problem.remedy == "Give the URL that it redirects to"


# --- ssh ----------------------------------------------------------------------------------------------

SSH_STAND_IN = """#!/bin/sh
# Stands for ssh: tells what the real one would do, then talks to Git on this machine.
{ env; /usr/bin/env PATH="$REAL" ssh -G "$@"; } > "%(folder)s/told" 2>&1
cat "$2" > "%(folder)s/config"
stat -c %%a "$(dirname "$2")" "$(dirname "$2")"/* > "%(folder)s/modes"
cp "$(dirname "$2")/identity" "$(dirname "$2")/known_hosts" "%(folder)s"
for last; do :; done
eval "$last"
"""


def test_ssh_is_given_this_key_these_hosts_and_nothing_of_the_machines(
    bench: DiskWorkbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs of 100%"
    programs.mkdir()
    path = os.environ["PATH"]
    (programs / "ssh").write_text(SSH_STAND_IN.replace("$REAL", path) % {"folder": tmp_path})
    (programs / "ssh").chmod(0o755)
    (tmp_path / "tmp of 100%").mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{path}")
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp of 100%"))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    monkeypatch.delenv("HOME")
    location = parse_location(f"ssh://git@git.example.com:2222{bench.path}")
    key = private_key(tmp_path, "-N", "")
    known = b"[git.example.com]:2222 ssh-ed25519 AAAA\n"
    credentials = credentials_of({"identity": key, "known_hosts": known}, location)
    source = replace(bench.source(), location=location, credentials=credentials)

    source.look(None)

    told = dict(
        line.split(maxsplit=1) for line in (tmp_path / "told").read_text().splitlines() if " " in line
    )
    folder = str(Path(told["userknownhostsfile"]).parent)
    assert folder.startswith(str(tmp_path / "tmp of 100%"))
    assert (
        told
        | {
            "stricthostkeychecking": "true",
            "identitiesonly": "yes",
            "identityagent": "none",
            "userknownhostsfile": f"{folder}/known_hosts",
            "globalknownhostsfile": "none",
            "batchmode": "yes",
            "forwardagent": "no",
            "user": "git",
            "port": "2222",
            "hostname": "git.example.com",
        }
        == told
    )
    environment = (tmp_path / "told").read_text()
    assert "SSH_AUTH_SOCK" not in environment
    assert (tmp_path / "identity").read_bytes() == key
    assert (tmp_path / "known_hosts").read_bytes() == known
    assert set((tmp_path / "modes").read_text().split()) == {"700", "600"}
    assert list((tmp_path / "tmp of 100%").iterdir()) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "git@host: Permission denied (publickey).",
            "access is denied: git@host: Permission denied (publickey)",
        ),
        (
            "Host key verification failed.",
            "the host could not prove who it is: Host key verification failed",
        ),
        (
            "ssh: connect to host git.example.com port 22: Connection refused",
            "it cannot be read: ssh: connect to host git.example.com port 22: Connection refused",
        ),
        ("No user exists for uid 1234", "ssh does not run: No user exists for uid 1234"),
    ],
)
def test_what_ssh_says_is_told(
    said: str, reason: str, bench: DiskWorkbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 255\n")
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    with pytest.raises(SourceError) as caught:
        replace(bench.source(), location=SSH).look(None)

    assert caught.value.problem.reason == reason


def test_what_a_killed_controller_left_is_removed_and_what_another_works_with_is_not(
    bench: DiskWorkbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    left, used = tmp_path / "tmp" / "atoll-git-left", tmp_path / "tmp" / "atoll-git-used"
    for folder in (left, used):
        folder.mkdir()
        (folder / "identity").write_text("secret")
    os.utime(left, (0, 0))

    bench.source().look(None)

    assert list((tmp_path / "tmp").iterdir()) == [used]
