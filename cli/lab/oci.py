"""An OCI image made on the spot of files of this machine, so that tests pull none from anywhere.

One layer, uncompressed, as `ctr images import` and `podman load` read it: the OCI image layout in a tar.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

FOLDERS: Final = ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "www")
_ARCHITECTURE: Final = "amd64"
_TYPE: Final = "application/vnd.oci.image"


def write_image(
    path: Path,
    name: str,
    *,
    programs: Mapping[str, Path],
    links: Mapping[str, str],
    files: Mapping[str, bytes],
    command: Sequence[str],
) -> None:
    """`programs` and `files` by their paths in the image; `links` are symbolic, by path and target."""
    layer = _layer(programs, links, files)
    layout = _Layout()
    config = {
        "architecture": _ARCHITECTURE,
        "os": "linux",
        "config": {"Cmd": list(command), "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.manifest.v1+json",
        "config": layout.put(f"{_TYPE}.config.v1+json", json.dumps(config).encode()),
        "layers": [layout.put(f"{_TYPE}.layer.v1.tar", layer)],
    }
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    described = layout.put(f"{_TYPE}.manifest.v1+json", json.dumps(manifest).encode())
    layout.write(path, {"schemaVersion": 2, "manifests": [{**described, "annotations": names}]})


class _Layout:
    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, kind: str, content: bytes) -> Mapping[str, object]:
        """The blob's descriptor."""
        digest = _digest(content)
        self._blobs[digest] = content
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def write(self, path: Path, index: Mapping[str, object]) -> None:
        with tarfile.open(path, "w") as archive:
            _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
            _add(archive, "index.json", json.dumps(index).encode())
            for digest, content in self._blobs.items():
                _add(archive, f"blobs/{digest.replace(':', '/')}", content)


def _layer(programs: Mapping[str, Path], links: Mapping[str, str], files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for place, program in programs.items():
            _add(archive, place, program.read_bytes(), mode=0o755)
        for place, content in files.items():
            _add(archive, place, content)
        for place, target in links.items():
            entry = tarfile.TarInfo(place)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, place: str, content: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(place)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
