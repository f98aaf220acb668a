"""Where the API server is and who we are: a kubeconfig, the pod's ServiceAccount, or a given token.

The kubernetes package reads the configuration and makes the connection pool. TLS is always verified,
and credentials go over plain HTTP only to this machine itself (`kubectl proxy`). Credentials that
rotate are read again: tokens each minute, everything else when the server no longer knows us.
"""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

# The package declares types but leaves much of itself without: hence each `no-untyped-call` below.
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, load_kube_config
from kubernetes.config.incluster_config import InClusterConfigLoader

from kube.api import Unauthorized

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_POOL = 32
"""Idle connections kept: a dozen watches, the workers' requests, some to spare. More are opened at need."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ConfigurationError(Exception):
    """The API server's address or our identity cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """An address, a connection pool, and how a request says who sends it."""

    server: str
    pool: urllib3.PoolManager
    authorization: Callable[[], str]
    """The header's value, as of now; empty where a client certificate or nobody speaks."""
    without_certificate: Callable[[], urllib3.PoolManager]
    """Makes a pool to the same server, through the same proxy, that shows no client certificate."""
    reload: Callable[[], Connection] | None = None
    """Reads the configuration again, as after a change of certificates."""


def connect(
    kubeconfig: Path | None = None, *, context: str | None = None, environ: Mapping[str, str] = os.environ
) -> Connection:
    """Connect as kubectl does: the given file, KUBECONFIG, the pod's ServiceAccount, ~/.kube/config."""
    if kubeconfig:
        return from_kubeconfig(str(kubeconfig), context=context)
    if environ.get("KUBECONFIG"):
        return from_kubeconfig(environ["KUBECONFIG"], context=context)
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return in_cluster(environ=environ)
    return from_kubeconfig(str(Path.home() / ".kube" / "config"), context=context)


def from_kubeconfig(paths: str, *, context: str | None = None) -> Connection:
    """Read one kubeconfig, or several with colons between; raise ConfigurationError."""
    configuration = _configuration()
    try:
        load_kube_config(  # type: ignore[no-untyped-call]
            config_file=paths, context=context, client_configuration=configuration
        )
    except Exception as error:
        # A malformed file surfaces in the package and its YAML reader as almost anything.
        raise ConfigurationError(f"{paths}: not a usable kubeconfig: {_bare(error)}. {_REMEDY}.") from None
    return _connection(configuration, paths, lambda: from_kubeconfig(paths, context=context))


def in_cluster(folder: Path = SERVICE_ACCOUNT, *, environ: Mapping[str, str] = os.environ) -> Connection:
    """Use the ServiceAccount that the kubelet mounts into each pod; raise ConfigurationError."""
    configuration = _configuration()
    loader = InClusterConfigLoader(  # type: ignore[no-untyped-call]
        token_filename=str(folder / "token"), cert_filename=str(folder / "ca.crt"), environ=environ
    )
    try:
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise ConfigurationError(f"{folder}: no usable ServiceAccount: {_bare(error)}. {_REMEDY}.") from None
    return _connection(configuration, str(folder), lambda: in_cluster(folder, environ=environ))


_REMEDY = "Give a kubeconfig by --kubeconfig or KUBECONFIG, or run in a pod with its ServiceAccount's token"


def _bare(error: Exception) -> str:
    """The message less what it quotes of the file: the package and YAML quote whole users, tokens and all."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem and mark:
        return f"{problem} in line {mark.line + 1}"
    first = (str(error).splitlines() or [""])[0].partition("{")[0]
    return first.strip().rstrip(".") or type(error).__name__


def with_token(connection: Connection, token: Callable[[], str]) -> Connection:
    """Return the same server seen by the bearer of another token; no client certificate goes with it."""
    return replace(
        connection,
        pool=connection.without_certificate(),
        authorization=lambda: f"Bearer {token()}",
        reload=None,
    )


def _configuration() -> Configuration:
    configuration = Configuration()
    configuration.keep_alive = True  # a peer that vanished is noticed although nothing is ever sent
    configuration.connection_pool_maxsize = _POOL
    configuration.retries = False  # the callers know what may be repeated
    return configuration


def _connection(configuration: Configuration, place: str, reload: Callable[[], Connection]) -> Connection:
    server = configuration.host
    parts = urlsplit(server)
    if not configuration.verify_ssl:
        rule = "it asks for insecure-skip-tls-verify, but whoever answers would be given our credentials"
        remedy = "Set certificate-authority, and tls-server-name where the certificate has another name"
        raise ConfigurationError(f"{place}: {rule}. {remedy}.")
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        rule = f"the server {server} is spoken to without TLS"
        raise ConfigurationError(f"{place}: {rule}. Write its address with https://.")
    bare = copy.copy(configuration)
    bare.cert_file = bare.key_file = None
    return Connection(
        server=server,
        pool=RESTClientObject(configuration).pool_manager,
        without_certificate=lambda: RESTClientObject(bare).pool_manager,
        authorization=_authorization(configuration),
        reload=reload,
    )


def _authorization(configuration: Configuration) -> Callable[[], str]:
    lock = threading.Lock()  # the package's refresh of tokens is not safe in several threads

    def header() -> str:
        with lock:
            try:
                return configuration.get_api_key_with_prefix("BearerToken") or ""
            except (ConfigException, OSError) as error:
                raise Unauthorized(f"the token cannot be read: {error}") from None

    return header


@dataclass(kw_only=True, slots=True)
class Renewing:
    """A connection that is read again when the server no longer knows us, but not in a frenzy."""

    current: Connection
    between_reloads: float = 10
    """Seconds."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read_at: float = field(default_factory=time.monotonic)

    def renew(self, refused: Connection) -> bool:
        """Whether there is another connection than the refused one to try."""
        with self._lock:
            if self.current is not refused:
                return True
            if refused.reload is None or time.monotonic() - self._read_at < self.between_reloads:
                return False
            self._read_at = time.monotonic()
            try:
                self.current = refused.reload()
            except ConfigurationError:
                return False
            return True
