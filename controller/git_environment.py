"""All that Git may know: an environment made from nothing, and files in the operation's own folder.

Secrets go into those files alone, readable by this user, and the folder ends with the operation. With
credentials of its own Git sees neither the user's keys nor the user's agent.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from controller.credentials import Credentials
from controller.location import Location

_BATCH_SSH = "ssh -oBatchMode=yes -oConnectTimeout=10"


def prepare(
    folder: Path, *, repository: str, location: Location | None, credentials: Credentials | None
) -> Mapping[str, str]:
    """Write Git's files into `folder`, of mode 0700 and nobody else's; return its whole environment."""
    _write(folder / "config", _git_config(folder, repository, location, credentials))
    if credentials and credentials.identity:
        _write(folder / "identity", credentials.identity)
        _write(folder / "known_hosts", credentials.known_hosts)
        _write(folder / "ssh_config", _ssh_config(folder))
    if credentials and credentials.certificates:
        _write(folder / "ca.crt", credentials.certificates)
    if credentials and credentials.password:
        _write(folder / "password", _password_line(location, credentials))
    return _environment(folder, location, credentials)


def _write(path: Path, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _environment(folder: Path, location: Location | None, credentials: Credentials | None) -> dict[str, str]:
    own = credentials is not None or location is None or location.is_local
    kept = ("PATH", "SSL_CERT_FILE") if own else ("PATH", "SSL_CERT_FILE", "HOME", "SSH_AUTH_SOCK")
    ssh = f"ssh -F {shlex.quote(str(folder / 'ssh_config'))}" if credentials else _BATCH_SSH
    return {
        "HOME": str(folder),
        **{name: os.environ[name] for name in kept if name in os.environ},
        "TMPDIR": str(folder),
        "TZ": "UTC",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(folder / "config"),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": ssh,
        "GIT_NO_LAZY_FETCH": "1",
        # Objects and history as they are, not as somebody's local notes would have them.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": str(folder / "no-grafts"),
        # Stronger than any protocol.*.allow, a repository's own configuration included.
        "GIT_ALLOW_PROTOCOL": location.protocol if location else "none",
    }


def _git_config(
    folder: Path, repository: str, location: Location | None, credentials: Credentials | None
) -> str:
    """The only configuration beside the repository's own."""
    allowed = f'[protocol "{location.protocol}"]\n\tallow = always\n' if location else ""
    trusted = ""
    if location is None or location.is_local:
        # The operator named this very path; Git would refuse one that belongs to another user.
        path = _quoted(repository)
        trusted = f"[safe]\n\tdirectory = {path}\n\tdirectory = {_quoted(repository + '/.git')}\n"
    return (
        "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tcommitGraph = false\n"
        "[credential]\n\thelper =\n"
        "[fetch]\n\tfsckObjects = true\n\trecurseSubmodules = false\n"
        "[submodule]\n\trecurse = false\n"
        "[gc]\n\tautoDetach = false\n"
        "[http]\n\tfollowRedirects = initial\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 20\n"
        f"[protocol]\n\tallow = never\n{allowed}{trusted}"
    ) + _https_config(folder, location, credentials)


def _https_config(folder: Path, location: Location | None, credentials: Credentials | None) -> str:
    if not (location and credentials):
        return ""
    config = ""
    if credentials.certificates:
        config += f"[http]\n\tsslCAInfo = {_quoted(str(folder / 'ca.crt'))}\n"
    if credentials.password:
        # Git gives a password to the host that it is for, and to none that this one redirects to.
        helper = f"store --file {shlex.quote(str(folder / 'password'))}"
        config += f"[credential]\n\thelper = {_quoted(helper)}\n"
    if credentials.bearer_token:
        # A header of ours would follow a redirect to another host.
        header = _quoted(f"Authorization: Bearer {credentials.bearer_token}")
        site = _quoted(f"https://{_host(location)}/")
        config += f"[http]\n\tfollowRedirects = false\n[http {site}]\n\textraHeader = {header}\n"
    return config


def _password_line(location: Location | None, credentials: Credentials) -> str:
    """A line as git-credential-store(1) reads it."""
    assert location
    user, password = quote(credentials.username, safe=""), quote(credentials.password, safe="")
    return f"https://{user}:{password}@{_host(location)}\n"


def _host(location: Location) -> str:
    """Host and port of an https URL, without the user."""
    return urlsplit(location.url).netloc.rpartition("@")[2]


def _ssh_config(folder: Path) -> str:
    """The whole configuration of ssh: this key, these host keys, nothing of the machine's or the user's."""
    path = str(folder).replace("%", "%%")
    return (
        "BatchMode yes\nConnectTimeout 10\nServerAliveInterval 10\n"
        f'IdentityFile "{path}/identity"\nIdentitiesOnly yes\nIdentityAgent none\n'
        "PreferredAuthentications publickey\n"
        f'UserKnownHostsFile "{path}/known_hosts"\nGlobalKnownHostsFile none\n'
        "StrictHostKeyChecking yes\nUpdateHostKeys no\nForwardAgent no\nClearAllForwardings yes\n"
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
