"""The controller in its embedded mode: a Git repository and an inventory file in, a directory out."""

from __future__ import annotations

import contextlib
import fcntl
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from controller.git import GitRepository
from controller.inventory_file import InventoryFile
from controller.location import Location
from controller.log import Log
from controller.loop import Controller, first_state
from controller.observer import RepositoryObserver
from controller.publication import PublicationError
from controller.publish import DirectoryPublisher
from controller.snapshot import ReadLimits
from controller.state import Place
from controller.watch import FileWaker, Stop


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    location: Location
    ref: str
    folder: str
    """Of the repository; "" for all of it."""
    inventory: Path
    plans: Path
    interval: float
    """Seconds between two looks at the repository."""
    limits: ReadLimits = field(default_factory=ReadLimits)


def run(settings: Settings, log: Log) -> None:
    """Work until SIGTERM or SIGINT. Raise PublicationError where the publication cannot be used."""
    publisher = DirectoryPublisher(root=settings.plans)
    publisher.prepare()
    watched = [settings.inventory.absolute().parent, publisher.agents]
    with (
        contextlib.suppress(Stop),
        _alone(settings.plans),
        stoppable() as stopping,
        FileWaker(watched) as waker,
    ):
        controller = _controller(settings, publisher, waker, log)
        log(
            "started",
            repository=settings.location.url,
            ref=settings.ref,
            generation=controller.state.allocations.generation,
            plans=len(controller.state.published.plans),
        )
        controller.run(stopping)
    log("stopped")


def _controller(settings: Settings, publisher: DirectoryPublisher, waker: FileWaker, log: Log) -> Controller:
    source = GitRepository(
        location=settings.location,
        ref=settings.ref,
        folder=settings.folder,
        cache=settings.plans / "repository.git",
        limits=settings.limits,
    )
    place = Place(repository=settings.location.url, ref=settings.ref, folder=settings.folder)
    observer = RepositoryObserver(
        source=source,
        inventory=InventoryFile(path=settings.inventory),
        publisher=publisher,
        interval=settings.interval,
    )
    return Controller(
        observer=observer,
        publisher=publisher,
        waker=waker,
        log=log,
        state=first_state(place, publisher),
    )


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the publication: two controllers would undo each other's allocations."""
    with open(root / ".controller.lock", "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PublicationError(
                f"{root}: another controller publishes here. Stop it, or use another directory."
            ) from None
        yield


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Raise Stop wherever a signal arrives; yield whether one has.

    Python swallows what is raised while it collects garbage, so the loop asks as well.
    """
    arrived: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        raise Stop

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(arrived)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
