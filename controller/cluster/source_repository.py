"""A NetworkSource's repository: where it is, and what opens it. Secrets are read anew for each look."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from controller.cluster.objects import ObservedSource
from controller.cluster.source_spec import GitRef, Reference
from controller.cluster.strategy import strategy_of
from controller.credentials import Credentials, credentials_of
from controller.git import GitRepository, GitSource
from controller.location import parse_location, ref_of
from controller.signatures import Mode, Signers, signers_of
from controller.snapshot import normal_folder, source_error
from controller.state import Place
from kube.api import Api, ApiError, ObjectRef
from kube.kinds import CONFIG_MAPS, SECRETS
from kube.resource import Resource
from schemas.duration import duration_of


def seconds_of(text: str) -> float:
    """Read a duration such as `1h30m`, `90s` or `500ms`. Raise ValueError."""
    return duration_of(text).total_seconds()


class Repositories(Protocol):
    def place_of(self, source: ObservedSource) -> Place: ...

    def open(self, source: ObservedSource) -> GitSource:
        """Return what reads it. Raise SourceError where the Secret or the location is not usable."""


class _Data(msgspec.Struct, rename="camel"):
    """A Secret's data is encoded in base64, a ConfigMap's is text or, as binaryData, in base64."""

    data: dict[str, str] | None = None
    binary_data: dict[str, bytes] | None = None


_config_maps = msgspec.json.Decoder(_Data)


class _SecretData(msgspec.Struct):
    data: dict[str, bytes] | None = None


_secrets = msgspec.json.Decoder(_SecretData)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterRepositories:
    """Repositories whose Secrets and ConfigMaps are in the cluster, fetched below `cache`."""

    api: Api
    cache: Path

    def place_of(self, source: ObservedSource) -> Place:
        spec = source.spec
        return Place(repository=spec.url, ref=_shown(spec.ref), folder=spec.path.strip("/"))

    def open(self, source: ObservedSource) -> GitSource:
        spec = source.spec
        _check(source)
        location = parse_location(spec.url)
        if location.is_local:
            raise source_error(
                "ATL801", f"repository {spec.url}", "a controller on a cluster has no local ones"
            )
        folder = normal_folder(spec.path.removeprefix("./").lstrip("/"))
        if folder is None:
            raise source_error("ATL803", f"path {spec.path}", "it leads outside the repository")
        credentials: Credentials | None = None
        if spec.secret_ref:
            data = self._secret(source, spec.secret_ref)
            credentials = credentials_of(data, location, place=_named(source, "Secret", spec.secret_ref))
        signers: Signers | None = None
        if spec.verify:
            reference = spec.verify.keys_from
            held = self._config_map if reference.kind == "ConfigMap" else self._secret
            place = _named(source, reference.kind or "Secret", reference)
            signers = signers_of(Mode(spec.verify.mode), held(source, reference), place=place)
        # Another URL, another cache: what one host sent is never shown as another's.
        name = hashlib.sha256(f"{source.key}\n{spec.url}".encode()).hexdigest()[:16]
        return GitRepository(
            location=location,
            ref=ref_of(branch=spec.ref.branch, tag=spec.ref.tag, commit=spec.ref.commit),
            folder=folder,
            cache=self.cache / f"{name}.git",
            seconds=max(1, round(seconds_of(spec.timeout))),
            credentials=credentials,
            signers=signers,
        )

    def _secret(self, source: ObservedSource, reference: Reference) -> Mapping[str, bytes]:
        found = _secrets.decode(self._read(source, SECRETS, reference))
        return found.data or {}

    def _config_map(self, source: ObservedSource, reference: Reference) -> Mapping[str, bytes]:
        found = _config_maps.decode(self._read(source, CONFIG_MAPS, reference))
        texts = {key: text.encode() for key, text in (found.data or {}).items()}
        return {**texts, **(found.binary_data or {})}

    def _read(self, source: ObservedSource, resource: Resource, reference: Reference) -> bytes:
        ref = ObjectRef(resource=resource, name=reference.name, namespace=source.key.namespace)
        try:
            return self.api.get(ref)
        except ApiError as error:
            subject = _named(source, resource.kind, reference)
            raise source_error("ATL802", subject, f"it cannot be read: {error}") from None


def _check(source: ObservedSource) -> None:
    """Raise SourceError for what the CRD's schema refuses, as an API server may hold it from before."""
    spec = source.spec
    try:
        seconds_of(spec.interval), seconds_of(spec.timeout), strategy_of(spec.rollout)
        if spec.verify:
            Mode(spec.verify.mode)
    except ValueError as error:
        subject, remedy = source.key.subject, "Correct its spec: kubectl explain networksource.spec"
        raise source_error("ATL801", subject, str(error), remedy) from None


def _named(source: ObservedSource, kind: str, reference: Reference) -> str:
    return f"{kind} {source.key.namespace}/{reference.name}"


def _shown(ref: GitRef) -> str:
    return ref.commit or ref.tag or ref.branch or "main"
