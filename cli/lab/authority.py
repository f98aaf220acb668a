"""A certificate authority for one test cluster: openssl(1) makes keys and certificates, as files.

Identities are client certificates, as kubeadm's are: the common name is the user, each organization a
group. So a new user needs no restart of the API server, which reads a token file only once.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CURVE: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_DAYS: Final = "2"


class CertificateFailed(RuntimeError):
    """openssl is missing or refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyPair:
    """Two PEM files. The key is readable by its owner only."""

    certificate: Path
    key: Path


class Authority:
    """Keeps everything in its folder, which exists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = self.self_signed("ca", "/CN=atoll test cluster")

    @property
    def certificate(self) -> Path:
        """What a client has to trust."""
        return self._own.certificate

    def self_signed(self, name: str, subject: str) -> KeyPair:
        """Files `<name>.crt` and `<name>.key`."""
        return self._made(name, "-subj", subject)

    def server(self, name: str, *alternatives: str) -> KeyPair:
        """`alternatives` are such as `IP:127.0.0.1` and `DNS:localhost`."""
        names = "subjectAltName=" + ",".join(alternatives)
        return self._signed(name, "/CN=" + name, "extendedKeyUsage=serverAuth", names)

    def client(self, file: str, *, user: str, groups: tuple[str, ...]) -> KeyPair:
        subject = "".join(f"/O={_escaped(group)}" for group in groups) + f"/CN={_escaped(user)}"
        return self._signed(file, subject, "extendedKeyUsage=clientAuth")

    def _signed(self, name: str, subject: str, *extensions: str) -> KeyPair:
        signer = ("-CA", str(self._own.certificate), "-CAkey", str(self._own.key))
        extra = [word for extension in extensions for word in ("-addext", extension)]
        return self._made(name, "-subj", subject, *signer, *extra, "-addext", "basicConstraints=CA:FALSE")

    def _made(self, name: str, *arguments: str) -> KeyPair:
        pair = KeyPair(certificate=self._folder / f"{name}.crt", key=self._folder / f"{name}.key")
        files = ("-keyout", str(pair.key), "-out", str(pair.certificate))
        command = ["openssl", "req", "-x509", *_CURVE, "-days", _DAYS, *files, *arguments]
        try:
            subprocess.run(command, capture_output=True, text=True, check=True)
        except FileNotFoundError:
            raise CertificateFailed(
                "openssl is needed for a test cluster's certificates: install it"
            ) from None
        except subprocess.CalledProcessError as error:
            raise CertificateFailed(f"openssl made no certificate {name}: {error.stderr.strip()}") from None
        return pair


def _escaped(text: str) -> str:
    """As openssl's -subj wants it: groups such as `a/b` hold its own delimiter."""
    return text.replace("\\", "\\\\").replace("/", "\\/").replace("+", "\\+")
