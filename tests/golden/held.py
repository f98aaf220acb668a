"""Files that must stand as they are made; `--update-golden` rewrites them and fails that once."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

import pytest


def hold(
    folder: Path, wanted: Mapping[str, str], *, updating: bool, patterns: tuple[str, ...] = ("**/*",)
) -> None:
    present = _read(folder, patterns)
    changed = sorted(path for path in {*wanted, *present} if wanted.get(path) != present.get(path))
    if not changed:
        return
    if updating:
        _write(folder, wanted, changed)
        listed = "\n".join(f"  {folder / path}" for path in changed)
        pytest.fail(f"rewritten; review the difference, then run again:\n{listed}", pytrace=False)
    difference = "\n".join(_difference(path, present.get(path), wanted.get(path)) for path in changed)
    pytest.fail(f"{folder} differs (`pytest --update-golden` rewrites it):\n{difference}", pytrace=False)


def _read(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    files = (path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in files}


def _write(folder: Path, wanted: Mapping[str, str], changed: list[str]) -> None:
    for path in changed:
        file = folder / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(wanted[path].encode())
            continue
        file.unlink()
        if not any(file.parent.iterdir()):
            file.parent.rmdir()


def _difference(path: str, present: str | None, wanted: str | None) -> str:
    return "".join(
        unified_diff(
            (present or "").splitlines(keepends=True),
            (wanted or "").splitlines(keepends=True),
            fromfile=f"{path} as it stands" if present is not None else f"{path} is not there",
            tofile=f"{path} as compiled" if wanted is not None else f"{path} is not expected",
        )
    )
