"""Files of the runtime's folder of CNI configurations, as far as ours beside them must know them.

A `.conflist` is a list of plugins, to which CNI 1.1 adds those of a folder of the network's name;
`.conf` and `.json` are one plugin. What no runtime could use is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_EXTENSIONS: Final = (".conf", ".conflist", ".json")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
"""Of a network, by the CNI specification."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkFile:
    file: str
    """Its name in the folder."""
    network: str
    text: str
    versions: tuple[str, ...]
    """Of CNI, that it declares."""
    capabilities: tuple[str, ...]
    """That its plugins declare."""


def network_files(folder: Path) -> Iterator[NetworkFile]:
    """In the order in which runtimes look at them."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in _EXTENSIONS)
    except OSError:
        return
    for path in paths:
        content = read(path) or b""
        network = _decoded(content)
        name = network.get("name")
        plugins = _plugins(path, network)
        if _is_name(name) and plugins and all(plugin.get("type") for plugin in plugins):
            yield NetworkFile(
                file=path.name,
                network=str(name),
                text=content.decode(errors="replace"),
                versions=_versions(network),
                capabilities=tuple(one for plugin in plugins for one in _capabilities(plugin)),
            )


def read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _decoded(content: bytes) -> Mapping[str, Any]:
    """Empty where it is no JSON object."""
    try:
        network = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return network if isinstance(network, dict) else {}


def _plugins(path: Path, network: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if path.suffix != ".conflist":
        return [network]
    listed = network.get("plugins", [])
    plugins: list[Mapping[str, Any]] = [
        plugin if isinstance(plugin, dict) else {}
        for plugin in (listed if isinstance(listed, list) else [listed])
    ]
    if not _is_name(network.get("name")) or network.get("loadOnlyInlinedPlugins") in (True, "true"):
        return plugins
    folder = path.parent / network["name"]
    return [*plugins, *(_decoded(read(one) or b"") for one in sorted(folder.glob("*.conf")))]


def _versions(network: Mapping[str, Any]) -> tuple[str, ...]:
    listed = network.get("cniVersions")
    declared = [network.get("cniVersion"), *(listed if isinstance(listed, list) else ())]
    return tuple(version for version in declared if isinstance(version, str))


def _is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _capabilities(plugin: Mapping[str, Any]) -> Iterator[str]:
    declared = plugin.get("capabilities")
    if isinstance(declared, dict):
        yield from (name for name, given in declared.items() if given is True)
