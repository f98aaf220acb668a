"""Files that change wake the controller, however they are replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.watch import FileWaker, Wake


def test_nothing_wakes_but_the_time(tmp_path: Path) -> None:
    with FileWaker([tmp_path]) as waker:
        assert waker.wait(0.01) is Wake.TIME


@pytest.mark.parametrize("way", ["write", "rename", "delete"])
def test_each_way_of_changing_a_file_wakes(tmp_path: Path, way: str) -> None:
    (tmp_path / "inventory.json").write_text("old")
    (tmp_path / "new").write_text("new")
    with FileWaker([tmp_path]) as waker:
        match way:
            case "write":
                (tmp_path / "inventory.json").write_text("new")
            case "rename":
                (tmp_path / "new").rename(tmp_path / "inventory.json")
            case "delete":
                (tmp_path / "inventory.json").unlink()

        assert waker.wait(10) is Wake.CHANGE
        assert waker.wait(0) is Wake.TIME


def test_one_directory_given_twice_is_watched_once(tmp_path: Path) -> None:
    with FileWaker([tmp_path, tmp_path]) as waker:
        (tmp_path / "a").write_text("a")

        assert waker.wait(10) is Wake.CHANGE
