"""What one node's kernel holds: from files that the commands below wrote, or asked of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cli.failure import Failure
from review.proof_memory import Given
from verifier.certificate import digest_of
from verifier.ip_json import Dump, read_state
from verifier.nft_json import read_ruleset_json
from verifier.nft_text import read_ruleset
from verifier.ruleset import Ruleset
from verifier.state import Address, Node
from verifier.unreadable import Unreadable

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ruleset.json": "nft -j list table inet atoll",
        "link.json": "ip -N -j -d link",
        "address.json": "ip -N -j address",
        "route4.json": "ip -N -j -d -4 route show table all",
        "route6.json": "ip -N -j -d -6 route show table all",
        "rule4.json": "ip -N -j -4 rule",
        "rule6.json": "ip -N -j -6 rule",
        "neighbour.json": "ip -N -j neighbour",
        "fdb.json": "bridge -j fdb",
    }
)
"""By the file of a dump that holds what the command prints."""
_RULESET: Final = "ruleset.json"
_RULESET_TEXT: Final = "ruleset.nft"
"""The same as text is welcome too: what `nft list table inet atoll` prints."""
_NO_TABLE: Final = "No such file or directory"

Source = Callable[[str], bytes]
"""Content by the name of a file of a dump."""


def read_dump(folder: Path, name: str, address: Address) -> Given:
    """Raises Failure."""
    if not (folder / _RULESET_TEXT).exists():
        return _read(name, address, lambda file: _file(folder, file))

    def source(file: str) -> bytes:
        return _file(folder, _RULESET_TEXT if file == _RULESET else file)

    return _read(name, address, source, as_text=True)


def read_live(name: str, address: Address) -> Given:
    """Of the network namespace that this process is in. Raises Failure."""
    return _read(name, address, _ask)


def _read(name: str, address: Address, source: Source, *, as_text: bool = False) -> Given:
    content = {file: source(file) for file in COMMANDS}
    dump = Dump(
        links=content["link.json"],
        addresses=content["address.json"],
        routes4=content["route4.json"],
        routes6=content["route6.json"],
        rules4=content["rule4.json"],
        rules6=content["rule6.json"],
        neighbours=content["neighbour.json"],
        forwarding=content["fdb.json"],
    )
    try:
        ruleset = _ruleset(content[_RULESET], as_text=as_text)
        node = Node(name=name, address=address, state=read_state(dump), ruleset=ruleset)
    except Unreadable as error:
        raise Failure(f"node {name}: {error}. Nothing was judged.") from None
    return Given(node=node, digest=bytes.fromhex(digest_of(content)))


def _ruleset(content: bytes, *, as_text: bool) -> Ruleset:
    """Without the table everything passes, and that is judged."""
    if not content.strip():
        return Ruleset()
    return read_ruleset(content.decode(errors="replace")) if as_text else read_ruleset_json(content)


def _file(folder: Path, file: str) -> bytes:
    try:
        return (folder / file).read_bytes()
    except OSError as error:
        command = COMMANDS.get(file, "nft list table inet atoll")
        reason = f"{folder / file}: it cannot be read: {error.strerror}"
        raise Failure(f"{reason}. It is what `{command}` prints on the node.") from None


def _ask(file: str) -> bytes:
    command = COMMANDS[file]
    try:
        done = subprocess.run(command.split(), capture_output=True, check=False)
    except OSError as error:
        raise Failure(f"`{command}` does not run: {error.strerror}. Install nftables and iproute2.") from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip()
    if file == _RULESET and _NO_TABLE in said:
        return b""
    raise Failure(f"`{command}` failed: {said}. Run it as root, on the node.")
