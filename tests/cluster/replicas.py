"""Controllers of the tests: in a thread where that is as good, as a process where it is to be killed.

As a program, it is `atoll controller --cluster` with other terms of the Lease.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controller.cluster.run import Replica, Settings, run
from controller.log import Log, MemoryLog, StreamLog, Value
from controller.serving.endpoints import Addresses
from kube.candidate import Terms
from kube.client import ClusterApi, Patience
from kube.connection import connect
from serving.server import Address
from tests.cluster.chart import NAMESPACE, NODES
from tests.cluster.watching import SECONDS

SHORT: Final = Terms(lease=3, renew=2, retry=0.4)
"""For who wants to see a leader lose its office."""
_PATIENCE: Final = Patience(connect=4, read=8, total=60)  # as the command line has it


def _settings(instance: str, cache: Path, terms: Terms) -> Settings:
    anywhere = Address(host="127.0.0.1", port=0)
    return Settings(
        namespace=NAMESPACE,
        nodes_namespace=NODES,
        cache=cache,
        addresses=Addresses(metrics=anywhere, webhooks=Address(host="127.0.0.1", port=0)),
        instance=instance,
        terms=terms,
    )


@dataclass(kw_only=True)
class Story:
    """A log that can be waited for."""

    log: MemoryLog = field(default_factory=MemoryLog)
    _told: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, event: str, **facts: Value) -> None:
        with self._told:
            self.log(event, **facts)
            self._told.notify_all()

    def until(self, event: str, *, after: int = 0, seconds: float = SECONDS) -> Mapping[str, Value]:
        """The facts of the first such event that is not among the first `after` lines."""
        with self._told:
            assert self._told.wait_for(lambda: self._facts(event, after), seconds), (
                f"no {event} after {seconds:g} s: {self.log.events[after:]}"
            )
            return self._facts(event, after)[0]

    def events(self, event: str) -> list[dict[str, Value]]:
        return self._facts(event, 0)

    def __len__(self) -> int:
        return len(self.log.events)

    def _facts(self, event: str, after: int) -> list[dict[str, Value]]:
        return [facts for name, facts in self.log.events[after:] if name == event]


class ThreadReplica:
    """Works from `start` to `stop`."""

    def __init__(self, kubeconfig: Path, folder: Path, instance: str, terms: Terms) -> None:
        self.story = Story()
        self._stopped = threading.Event()
        api = ClusterApi.of(connect(kubeconfig), _PATIENCE)
        settings = _settings(instance, folder / instance, terms)
        self._replica = Replica(settings=settings, api=api, log=self.story)
        self._thread = threading.Thread(target=self._run, name=instance)
        self._error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """As by SIGTERM. Raises what it died of, if it did."""
        self._stopped.set()
        self._replica.inbox.notify()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), self.story.log.events
        self.check()

    def check(self) -> None:
        """Raises what it died of."""
        if self._error:
            raise self._error

    @property
    def webhooks(self) -> int:
        """The port."""
        return int(self.story.until("serving")["webhooks"])

    def _run(self) -> None:
        try:
            self._replica.work(self._stopped.is_set)
        except BaseException as error:
            self._error = error
            self.story("died", error=repr(error))


class ProcessReplica:
    """Its log is a file; it dies with this process."""

    def __init__(self, kubeconfig: Path, folder: Path, instance: str, terms: Terms) -> None:
        self.log = folder / f"{instance}.log"
        self._command = [
            *("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", __name__),
            *("--kubeconfig", str(kubeconfig), "--cache", str(folder / instance), "--instance", instance),
            *(str(seconds) for seconds in (terms.lease, terms.renew, terms.retry)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stderr=log, stdin=subprocess.DEVNULL)

    def send(self, how: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(how)

    def wait(self) -> int:
        assert self._process
        return self._process.wait(SECONDS)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            self.wait()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self, event: str) -> int:
        """How often the log says so."""
        return self.log.read_text().count(f" event={event} ")


def _main() -> int:
    parser = argparse.ArgumentParser()
    for option in ("--kubeconfig", "--cache"):
        parser.add_argument(option, type=Path)
    parser.add_argument("--instance")
    parser.add_argument("terms", type=float, nargs=3)
    given = parser.parse_args()
    lease, renew, retry = given.terms
    settings = _settings(given.instance, given.cache, Terms(lease=lease, renew=renew, retry=retry))
    api = ClusterApi.of(connect(given.kubeconfig), _PATIENCE)
    log: Log = StreamLog(stream=sys.stderr)
    return 0 if run(settings, api, log) else 3


if __name__ == "__main__":
    raise SystemExit(_main())
