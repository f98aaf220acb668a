"""The line between the control plane's machine and the nodes': XML-RPC, plain values only.

The nodes may be in a virtual machine, which reaches the loopback of this one and nothing else. Whoever asks
has to know a secret, which is in the environment of the process that was started for it.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from socketserver import ThreadingMixIn
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit
from xmlrpc.client import Fault, ProtocolError, ServerProxy
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from cli.failure import Failure

ENVIRONMENT: Final = "ATOLL_HEADQUARTERS"
"""The line's URL, as the machine of the control plane reaches it."""
HOST: Final = "ATOLL_HOST"
"""How that machine's loopback is reached from here; set by tools/vm.py where it is another machine."""


class Headquarters(Protocol):
    """What the side of the nodes asks of the control plane's. Every method may raise Failure."""

    def seconds(self) -> float:
        """Since the demo began."""
        ...

    def api_port(self) -> int: ...

    def kubeconfig(self, node: str) -> str:
        """With the account that the controller has made for the node."""
        ...

    def pod_uids(self) -> Mapping[str, str]: ...

    def report_pods(self, addresses: Mapping[str, Sequence[str]]) -> None:
        """They run, as their kubelets say; Services get endpoints."""
        ...

    def kubectl(self, arguments: Sequence[str]) -> str:
        """What it prints."""
        ...

    def commit(self, author: str, message: str, files: Mapping[str, str]) -> str:
        """Push a commit; return its revision."""
        ...

    def first_revision(self) -> str: ...

    def await_applied(self, revision: str) -> None:
        """Until it is in force on both nodes."""
        ...

    def digests(self) -> Mapping[str, str]:
        """Of the nodes' plans."""
        ...

    def await_endpoints(self) -> None:
        """Every Service's endpoints are in the plans in force."""
        ...

    def await_refusal(self, revision: str) -> None: ...

    def await_conflict(self, network: str) -> None:
        """`namespace/name`."""
        ...

    def reachability(self) -> bytes:
        """What the files of the newest commit declare, as `compiler.codec` writes it."""
        ...

    def rollout_lines(self, revision: str) -> Sequence[str]:
        """What `kubectl get nodenetworks --watch` has printed of a commit."""
        ...

    def log_line(self, text: str) -> str:
        """The last one of the controller's log that has the text."""
        ...


METHODS: Final = tuple(name for name in vars(Headquarters) if not name.startswith("_"))


class _Server(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True


class Switchboard:
    """Answers as soon as there is somebody who can; a call before that waits, and is noticed."""

    def __init__(self, methods: Sequence[str] = METHODS) -> None:
        path = f"/{secrets.token_urlsafe(24)}"
        handler = type("_Handler", (SimpleXMLRPCRequestHandler,), {"rpc_paths": (path,)})
        self._server = _Server(
            ("127.0.0.1", 0), handler, logRequests=False, allow_none=True, use_builtin_types=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{path}"
        self.called = threading.Event()
        self._open = threading.Event()
        self._chief: object = None
        for name in methods:
            self._server.register_function(self._answering(name), name)
        threading.Thread(target=self._server.serve_forever, name="switchboard", daemon=True).start()

    def connect(self, chief: object) -> None:
        """It has the methods."""
        self._chief = chief
        self._open.set()

    def close(self) -> None:
        self._open.set()
        self._server.shutdown()
        self._server.server_close()

    def _answering(self, name: str) -> Callable[..., Any]:  # what XML-RPC can carry
        def answer(*arguments: object) -> Any:
            self.called.set()
            self._open.wait()
            if self._chief is None:
                raise Failure("the control plane is gone")
            return getattr(self._chief, name)(*arguments)

        return answer


def dial(environment: Mapping[str, str] = os.environ) -> Headquarters:
    """Who answers at the line that the environment names."""
    return cast(Headquarters, Remote(environment[ENVIRONMENT], METHODS, host(environment)))


def host(environment: Mapping[str, str] = os.environ) -> str:
    return environment.get(HOST, "127.0.0.1")


class Remote:
    """Has these methods, and asks at a switchboard's URL, by way of `host`."""

    def __init__(self, url: str, methods: Sequence[str], host: str) -> None:
        split = urlsplit(url)
        self._host = host
        self._methods = methods
        self._url = f"http://{host}:{split.port}{split.path}"

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name not in self._methods:
            raise AttributeError(name)

        def ask(*arguments: object) -> object:
            try:
                with ServerProxy(self._url, allow_none=True, use_builtin_types=True) as proxy:
                    found: object = getattr(proxy, name)(*arguments)
                    return found
            except Fault as fault:
                raise Failure(_bare(fault.faultString)) from None
            except (OSError, ProtocolError) as error:
                raise Failure(f"the control plane at {self._host} does not answer: {error}") from None

        return ask


def _bare(text: str) -> str:
    """Without the class that SimpleXMLRPCServer puts in front."""
    return text.partition(":")[2] or text
