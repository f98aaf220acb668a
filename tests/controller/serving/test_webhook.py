"""Verdicts on webhooks: no server, no clock, no Git."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.serving.signature import Provider
from controller.serving.webhook import (
    NOT_GENUINE,
    NOTHING_WATCHED,
    OTHER_EVENT,
    OTHER_REF,
    UNREADABLE,
    UNSIGNED,
    Accepted,
    Ignored,
    Push,
    RefKind,
    Refused,
    WatchedRef,
    judge,
)
from tests.controller.serving.senders import (
    COMMIT,
    GONE,
    SECRET,
    forgejo,
    generic,
    gitea,
    github,
    gitlab,
    gitlab_push,
    push,
    signed,
)

MAIN = WatchedRef(kind=RefKind.BRANCH, name="main")
PUSHED = Push(ref="main", commit=COMMIT)


@pytest.mark.parametrize(
    ("provider", "headers"),
    [
        (Provider.GITHUB, github(push())),
        (Provider.GITEA, gitea(push())),
        (Provider.FORGEJO, forgejo(push())),
        (Provider.GITLAB, gitlab()),
        (Provider.GENERIC, generic(push())),
    ],
)
def test_a_push_to_the_watched_branch_is_accepted(provider: Provider, headers: dict[str, str]) -> None:
    assert judge(headers, push(), SECRET, MAIN) == Accepted(provider=provider, push=PUSHED)


def test_githubs_form_is_read_too() -> None:
    body = urlencode({"payload": push().decode()}).encode()
    headers = {**github(body), "content-type": "application/x-www-form-urlencoded"}
    assert judge(headers, body, SECRET, MAIN) == Accepted(provider=Provider.GITHUB, push=PUSHED)


def test_a_push_to_another_branch_is_ignored() -> None:
    body = push("refs/heads/feature")
    assert judge(github(body), body, SECRET, MAIN) == Ignored(provider=Provider.GITHUB, reason=OTHER_REF)


def test_a_tag_is_ignored_where_a_branch_is_watched() -> None:
    body = gitlab_push("refs/tags/main", "tag_push")
    verdict = judge(gitlab("Tag Push Hook"), body, SECRET, MAIN)
    assert verdict == Ignored(provider=Provider.GITLAB, reason=OTHER_REF)


def test_the_watched_tag_is_accepted() -> None:
    watched = WatchedRef(kind=RefKind.TAG, name="v1.2")
    body = push("refs/tags/v1.2")
    verdict = judge(github(body), body, SECRET, watched)
    assert verdict == Accepted(provider=Provider.GITHUB, push=Push(ref="v1.2", commit=COMMIT))


def test_where_one_commit_is_watched_only_its_arrival_counts() -> None:
    watched = WatchedRef(kind=RefKind.COMMIT, name=COMMIT)
    arrived, other = push("refs/heads/any"), push("refs/heads/any", "1" * 40)
    accepted = Accepted(provider=Provider.GITHUB, push=Push(ref=COMMIT, commit=COMMIT))
    assert judge(github(arrived), arrived, SECRET, watched) == accepted
    assert judge(github(other), other, SECRET, watched) == Ignored(provider=Provider.GITHUB, reason=OTHER_REF)


def test_a_deleted_branch_is_a_reason_to_look() -> None:
    body = push(after=GONE)
    verdict = judge(github(body), body, SECRET, MAIN)
    assert verdict == Accepted(provider=Provider.GITHUB, push=Push(ref="main", commit=""))


@pytest.mark.parametrize("event", ["ping", "pull_request", "create", "", "PUSH"])
def test_other_events_are_ignored(event: str) -> None:
    verdict = judge(github(push(), event), push(), SECRET, MAIN)
    assert verdict == Ignored(provider=Provider.GITHUB, reason=OTHER_EVENT)


def test_gitlabs_system_hook_tells_its_event_in_the_body() -> None:
    pushed, created = gitlab_push(), b'{"event_name": "project_create", "name": "networks"}'
    headers = gitlab("System Hook")
    assert judge(headers, pushed, SECRET, MAIN) == Accepted(provider=Provider.GITLAB, push=PUSHED)
    assert judge(headers, created, SECRET, MAIN) == Ignored(provider=Provider.GITLAB, reason=OTHER_EVENT)


@pytest.mark.parametrize("body", [b"", b"now", b"[]", b'{"repository": "networks"}', b'{"ref": 7}'])
def test_a_generic_sender_need_not_say_what_was_pushed(body: bytes) -> None:
    verdict = judge(generic(body), body, SECRET, MAIN)
    assert verdict == Accepted(provider=Provider.GENERIC, push=Push(ref="", commit=""))


def test_a_generic_sender_may_name_the_branch_alone() -> None:
    body = b'{"ref": "main"}'
    headers = {**generic(body), "content-type": "application/x-www-form-urlencoded"}  # as curl has it
    assert judge(headers, body, SECRET, MAIN) == Accepted(
        provider=Provider.GENERIC, push=Push(ref="main", commit="")
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"ref": null}', b"\xff", b'{"ref":' + b"[" * 100_000]
)
def test_a_signed_body_that_is_no_push_is_refused(body: bytes) -> None:
    verdict = judge(github(body), body, SECRET, MAIN)
    assert verdict == Refused(provider=Provider.GITHUB, status=HTTPStatus.BAD_REQUEST, reason=UNREADABLE)


@pytest.mark.parametrize("body", [b"other=1", b"payload=", b"payload=%ff", b"payload=1" + b"&a=1" * 9])
def test_a_form_without_a_push_is_refused(body: bytes) -> None:
    headers = {**github(body), "content-type": "application/x-www-form-urlencoded"}
    verdict = judge(headers, body, SECRET, MAIN)
    assert verdict == Refused(provider=Provider.GITHUB, status=HTTPStatus.BAD_REQUEST, reason=UNREADABLE)


def test_unsigned_is_refused() -> None:
    verdict = judge({"x-github-event": "push"}, push(), SECRET, MAIN)
    assert verdict == Refused(provider=Provider.UNKNOWN, status=HTTPStatus.FORBIDDEN, reason=UNSIGNED)


def test_signed_with_sha1_alone_is_refused() -> None:
    headers = {"x-github-event": "push", "x-hub-signature": "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"}
    verdict = judge(headers, push(), SECRET, MAIN)
    assert verdict == Refused(provider=Provider.UNKNOWN, status=HTTPStatus.FORBIDDEN, reason=UNSIGNED)


@pytest.mark.parametrize("headers", [github(push()), gitea(push()), gitlab(), generic(push())])
def test_a_wrong_secret_and_no_source_at_all_are_the_same_refusal(headers: dict[str, str]) -> None:
    wrong = judge(headers, push(), b"another", MAIN)
    assert isinstance(wrong, Refused)
    assert (wrong.status, wrong.reason) == (HTTPStatus.FORBIDDEN, NOT_GENUINE)
    assert judge(headers, push(), None, NOTHING_WATCHED) == wrong


@pytest.mark.parametrize("secret", [b"", b"\n", b" \r\n"])
def test_an_empty_secret_opens_nothing(secret: bytes) -> None:
    headers = {"x-signature": f"sha256={signed(push(), b'')}"}
    assert isinstance(judge(headers, push(), secret, MAIN), Refused)
    assert isinstance(judge({**gitlab(), "x-gitlab-token": ""}, push(), secret, MAIN), Refused)


def test_a_line_end_behind_the_secret_does_not_count() -> None:
    assert judge(github(push()), push(), SECRET + b"\n", MAIN) == Accepted(
        provider=Provider.GITHUB, push=PUSHED
    )


def test_what_a_sender_calls_a_commit_is_kept_only_if_it_could_be_one() -> None:
    body = push(after="$(reboot)\n")
    verdict = judge(github(body), body, SECRET, MAIN)
    assert verdict == Accepted(provider=Provider.GITHUB, push=Push(ref="main", commit=""))


@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                "content-type",
                "x-gitea-signature",
                "x-github-event",
                "x-gitlab-event",
                "x-gitlab-token",
                "x-hub-signature",
                "x-hub-signature-256",
                "x-signature",
                "webhook-signature",
            ]
        ),
        st.text(),
    ),
    body=st.binary(),
    secret=st.none() | st.binary(max_size=64),
)
def test_nobody_without_the_secret_is_accepted_and_nothing_raises(
    headers: dict[str, str], body: bytes, secret: bytes | None
) -> None:
    token = headers.get("x-gitlab-token", "").encode("latin-1", "replace")
    verdict = judge(headers, body, secret, MAIN)
    assert isinstance(verdict, Refused) or (secret and token == secret.rstrip())
