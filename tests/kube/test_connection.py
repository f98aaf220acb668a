"""Where the API server is and who we are; what would betray us is refused."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from kube.connection import ConfigurationError, connect, from_kubeconfig, in_cluster

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


def write(path: Path, cluster: str, user: str = "token: abc") -> Path:
    path.write_text(
        textwrap.dedent(f"""\
            apiVersion: v1
            kind: Config
            current-context: c
            clusters: [{{name: c, cluster: {{{cluster}}}}}]
            users: [{{name: u, user: {{{user}}}}}]
            contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
            """)
    )
    return path


def account(folder: Path, token: str = "abc") -> Path:
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_text(CERTIFICATE)
    return folder


IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_a_kubeconfig_gives_address_and_token(tmp_path: Path) -> None:
    path = write(tmp_path / "config", "server: 'https://api.example.com:6443/'")
    connection = connect(path, environ={})
    assert connection.server == "https://api.example.com:6443"
    assert connection.authorization() == "Bearer abc"


def test_the_given_file_goes_before_the_environment(tmp_path: Path) -> None:
    given = write(tmp_path / "given", "server: 'https://given.example.com'")
    named = write(tmp_path / "named", "server: 'https://named.example.com'")
    environ = {"KUBECONFIG": str(named), **IN_CLUSTER}
    assert connect(given, environ=environ).server == "https://given.example.com"
    assert connect(environ=environ).server == "https://named.example.com"


def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    connection = in_cluster(account(tmp_path), environ=IN_CLUSTER)
    assert connection.server == "https://10.96.0.1:443"
    assert connection.authorization().lower() == "bearer abc"


def test_an_ipv6_address_of_the_api_server_is_bracketed(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    assert in_cluster(account(tmp_path), environ=environ).server == "https://[fd00::1]:443"


def test_a_rotated_token_is_used_after_reading_it_again(tmp_path: Path) -> None:
    connection = in_cluster(account(tmp_path), environ=IN_CLUSTER)
    account(tmp_path, "renewed")
    assert connection.reload is not None
    assert connection.reload().authorization().lower() == "bearer renewed"


def test_unverified_tls_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "config", "server: 'https://a.example.com', insecure-skip-tls-verify: true")
    with pytest.raises(ConfigurationError, match="insecure-skip-tls-verify"):
        connect(path)


def test_a_token_is_not_sent_without_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="without TLS"):
        connect(write(tmp_path / "config", "server: 'http://a.example.com'"))


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "localhost:8001", "[::1]:8001"])
def test_a_proxy_on_this_machine_may_do_without_tls(tmp_path: Path, host: str) -> None:
    assert connect(write(tmp_path / "config", f"server: 'http://{host}'")).server == f"http://{host}"


def test_a_missing_kubeconfig_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(tmp_path / "none")
    assert str(caught.value).startswith(f"{tmp_path}/none: not a usable kubeconfig: ")
    assert str(caught.value).endswith("or run in a pod with its ServiceAccount's token.")


MALFORMED = [
    "",
    "a: [",
    "[]",
    "just text",
    "clusters: 5",
    "current-context: c",
    "contexts: [{name: c, context: {cluster: gone}}]\ncurrent-context: c\nclusters: []\nusers: []",
    "\x00",
]


@pytest.mark.parametrize("content", MALFORMED)
def test_a_malformed_kubeconfig_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=rf"^{path}: not a usable kubeconfig: "):
        connect(path)


def test_an_unknown_context_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "config", "server: 'https://a.example.com'")
    with pytest.raises(ConfigurationError, match="other"):
        from_kubeconfig(str(path), context="other")


def test_a_pod_without_a_service_account_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no usable ServiceAccount"):
        in_cluster(tmp_path, environ=IN_CLUSTER)


def test_a_client_certificate_that_is_missing_is_refused_when_read(tmp_path: Path) -> None:
    user = f"client-certificate: {tmp_path}/none.crt, client-key: {tmp_path}/none.key"
    path = write(tmp_path / "config", "server: 'https://a.example.com'", user)
    with pytest.raises(ConfigurationError, match="certificate"):
        connect(path)


QUOTING = [
    "users: [{name: u, token: very-secret}]\ncurrent-context: c\nclusters: [{name: c, cluster: {}}]\n"
    "contexts: [{name: c, context: {cluster: c, user: u}}]",
    "users:\n- name: u\n  user: {token: very-secret\n",
    "users: [{name: u, user: {token: very-secret}}]\ncontexts: [{token: very-secret}]\ncurrent-context: c",
]


@pytest.mark.parametrize("content", QUOTING)
def test_a_refusal_does_not_quote_the_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        connect(path)
    assert "very-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
