"""Signatures as the Git servers make them, by the test vectors of their documentations."""

from __future__ import annotations

import pytest

from controller.serving.signature import SCHEMES, Provider, Scheme, scheme_of

# GitHub, "Testing the webhook payload validation".
GITHUB = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
GITHUB_SECRET, GITHUB_BODY = b"It's a Secret to Everybody", b"Hello, World!"
# RFC 4231, test case 2.
RFC4231 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
RFC4231_512 = (
    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
    "caeab1a34d4a6b4b636e070a38bce737"
)
RFC4231_SECRET, RFC4231_BODY = b"Jefe", b"what do ya want for nothing?"
# The specification Standard Webhooks, which GitLab's signing tokens follow.
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
SIGNED_SECRET, SIGNED_BODY = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'


def _holds(headers: dict[str, str], body: bytes, secret: bytes) -> tuple[Provider, bool]:
    scheme = scheme_of(headers)
    assert scheme is not None
    return scheme.provider, scheme.holds(headers[scheme.header], headers, body, secret)


def test_github_signs_with_sha256() -> None:
    headers = {"x-hub-signature-256": f"sha256={GITHUB}", "x-hub-signature": "sha1=01dc10d0c83e72ed246219cd"}
    assert _holds(headers, GITHUB_BODY, GITHUB_SECRET) == (Provider.GITHUB, True)


@pytest.mark.parametrize(
    ("provider", "header"),
    [(Provider.GITEA, "x-gitea-signature"), (Provider.FORGEJO, "x-forgejo-signature")],
)
def test_gitea_and_forgejo_send_the_bare_digest(provider: Provider, header: str) -> None:
    assert _holds({header: RFC4231}, RFC4231_BODY, RFC4231_SECRET) == (provider, True)


def test_forgejo_is_not_taken_for_the_servers_whose_headers_it_sends_too() -> None:
    headers = {
        "x-forgejo-signature": RFC4231,
        "x-gitea-signature": RFC4231,
        "x-hub-signature-256": f"sha256={RFC4231}",
        "x-hub-signature": "sha1=01dc10d0c83e72ed246219cd",
    }
    assert _holds(headers, RFC4231_BODY, RFC4231_SECRET) == (Provider.FORGEJO, True)


def test_gitlab_sends_its_secret_token() -> None:
    assert _holds({"x-gitlab-token": "Jefe"}, b"{}", b"Jefe") == (Provider.GITLAB, True)


def test_a_token_beyond_ascii_arrives_as_its_bytes() -> None:
    assert _holds({"x-gitlab-token": "é".encode().decode("latin-1")}, b"{}", "é".encode()) == (
        Provider.GITLAB,
        True,
    )


def test_gitlab_signs_with_its_signing_token() -> None:
    assert _holds(SIGNED, SIGNED_BODY, SIGNED_SECRET) == (Provider.GITLAB, True)


def test_one_of_several_signatures_is_enough_while_keys_are_exchanged() -> None:
    headers = {**SIGNED, "webhook-signature": f"v1,AAAA {SIGNED['webhook-signature']} v2,BBBB"}
    assert _holds(headers, SIGNED_BODY, SIGNED_SECRET) == (Provider.GITLAB, True)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_a_signing_token_signs_the_headers_too(name: str) -> None:
    assert _holds({**SIGNED, name: "0"}, SIGNED_BODY, SIGNED_SECRET) == (Provider.GITLAB, False)


def test_a_signing_token_is_never_taken_as_a_token() -> None:
    headers = {"x-gitlab-token": SIGNED_SECRET.decode()}
    assert _holds(headers, SIGNED_BODY, SIGNED_SECRET) == (Provider.GITLAB, False)


def test_a_signing_token_that_is_no_base64_signs_nothing() -> None:
    assert _holds(SIGNED, SIGNED_BODY, b"whsec_!") == (Provider.GITLAB, False)


def test_gitlab_with_both_tokens_is_believed_by_the_one_that_is_configured_here() -> None:
    both = {**SIGNED, "x-gitlab-token": "Jefe"}
    assert _holds(both, SIGNED_BODY, b"Jefe") == (Provider.GITLAB, True)
    assert _holds(both, SIGNED_BODY, SIGNED_SECRET) == (Provider.GITLAB, True)


@pytest.mark.parametrize(
    "digest", [f"sha256={RFC4231}", f"sha512={RFC4231_512}", f"sha256={RFC4231.upper()}"]
)
def test_a_generic_sender_names_the_digest(digest: str) -> None:
    assert _holds({"x-signature": digest}, RFC4231_BODY, RFC4231_SECRET) == (Provider.GENERIC, True)


def test_bitbucket_signs_with_sha256_in_the_old_header() -> None:
    headers = {"x-hub-signature": f"sha256={RFC4231}"}
    assert _holds(headers, RFC4231_BODY, RFC4231_SECRET) == (Provider.GENERIC, True)


@pytest.mark.parametrize("header", ["x-hub-signature", "x-signature"])
def test_sha1_counts_as_no_signature(header: str) -> None:
    assert scheme_of({header: "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"}) is None


def test_no_header_is_no_signature() -> None:
    assert scheme_of({"content-type": "application/json"}) is None


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.header)
@pytest.mark.parametrize(
    "value", ["", "=", "sha256=", "sha256", "sha512=00", "v1,", "ÿ", "\ud800", RFC4231[:-1] + "4"]
)
def test_a_wrong_value_holds_nowhere(scheme: Scheme, value: str) -> None:
    header = scheme.header
    assert _holds({header: value}, RFC4231_BODY, RFC4231_SECRET)[1] is False


def test_another_body_breaks_the_signature() -> None:
    assert _holds({"x-signature": f"sha256={RFC4231}"}, RFC4231_BODY + b" ", RFC4231_SECRET)[1] is False


def test_a_bad_signature_is_not_rescued_by_a_good_one_of_another_kind() -> None:
    headers = {"x-gitea-signature": "00", "x-hub-signature-256": f"sha256={GITHUB}"}
    assert _holds(headers, GITHUB_BODY, GITHUB_SECRET) == (Provider.GITEA, False)
