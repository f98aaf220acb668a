"""What may be given as a repository, a ref and a revision."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.location import checked_ref, checked_revision, parse_location, ref_of
from controller.snapshot import SourceError


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        ("https://git.example.com/networks.git", "https"),
        ("https://user@git.example.com/networks.git", "https"),
        ("ssh://git@git.example.com:2222/networks.git", "ssh"),
        ("git@git.example.com:team/networks.git", "ssh"),
        ("git.example.com:~team/networks", "ssh"),
    ],
)
def test_https_and_ssh_are_taken_as_they_are(text: str, protocol: str) -> None:
    location = parse_location(text)

    assert (location.url, location.protocol) == (text, protocol)


@pytest.mark.parametrize("text", ["./networks", "networks", "../networks"])
def test_a_path_is_a_local_repository(text: str) -> None:
    location = parse_location(text)

    assert location.url == str(Path(text).resolve())
    assert location.is_local


def test_a_file_url_is_the_path_in_it(tmp_path: Path) -> None:
    location = parse_location(f"file://{tmp_path}/networks")

    assert location.url == f"{tmp_path}/networks"
    assert location.is_local


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c whoami",
        "fd::17",
        "http://git.example.com/networks.git",
        "git://git.example.com/networks.git",
        "ftp://git.example.com/networks.git",
        "https:///networks.git",
        "ssh://-oProxyCommand=whoami/networks.git",
        "ssh://-l@git.example.com/networks.git",
        "https://git.example.com/networks.git\n",
        "https://[git.example.com/networks.git",
        "https://user:secret@git.example.com/networks.git",
    ],
)
def test_what_git_could_misread_is_refused(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_location(text)

    assert caught.value.problem.code == "ATL801"


def test_a_password_is_not_repeated_in_the_error() -> None:
    with pytest.raises(SourceError) as caught:
        parse_location("https://user:secret@git.example.com/networks.git")

    assert str(caught.value) == (
        "error ATL801: repository https://user:***@git.example.com/networks.git:"
        " it holds a password, which process lists would show."
        " Give an https or ssh URL without a password, or the path of a local repository."
    )


@pytest.mark.parametrize(
    "text",
    [
        "HEAD",
        "main",
        "release-1.2",
        "feature/red",
        "refs/heads/main",
        "0123456789abcdef0123456789abcdef01234567",
    ],
)
def test_names_of_branches_tags_and_commits_are_refs(text: str) -> None:
    assert checked_ref(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-main",
        "--all",
        "a..b",
        "main:refs/heads/x",
        "+main",
        "a b",
        "main~1",
        "@{-1}",
        "x.lock",
        "a//b",
        "a\n",
    ],
)
def test_options_ranges_and_refspecs_are_not_refs(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        checked_ref(text)

    assert caught.value.problem.code == "ATL803"


@pytest.mark.parametrize("text", ["HEAD~2", "main^", "v1^{commit}", "HEAD@{1}", "@"])
def test_a_revision_may_count_backwards(text: str) -> None:
    assert checked_revision(text) == text


@pytest.mark.parametrize("text", ["-1", "--all", "main..dev", "main dev", ":/fix", "main:file"])
def test_options_ranges_and_files_are_not_revisions(text: str) -> None:
    with pytest.raises(SourceError):
        checked_revision(text)


@pytest.mark.parametrize(
    ("named", "ref"),
    [
        ({}, "refs/heads/main"),
        ({"branch": "release/1.2"}, "refs/heads/release/1.2"),
        ({"tag": "v1"}, "refs/tags/v1"),
        ({"commit": "0123456789" * 4}, "0123456789" * 4),
    ],
)
def test_a_source_names_a_branch_a_tag_or_a_commit(named: dict[str, str], ref: str) -> None:
    assert ref_of(**named) == ref


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            {"branch": "main", "tag": "v1"},
            "error ATL803: spec.ref: it names a branch and a tag. Give one of branch, tag and commit.",
        ),
        (
            {"commit": "0123456"},
            "error ATL803: commit 0123456: it is not the full name of a commit. Give all its 40 digits.",
        ),
        (
            {"branch": "main~1"},
            "error ATL803: ref main~1: it is not the name of a branch, tag or commit."
            " Give a name such as main.",
        ),
    ],
)
def test_a_source_that_names_no_ref_is_told_why(named: dict[str, str], message: str) -> None:
    with pytest.raises(SourceError) as caught:
        ref_of(**named)

    assert str(caught.value) == message
