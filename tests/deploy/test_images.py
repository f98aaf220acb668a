"""The images' recipe, as far as it can be judged without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "deploy" / "images"
RECIPE = (IMAGES / "Containerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its arguments, comments gone, continued lines joined."""
    lines = [line for line in RECIPE.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = (line.partition(" ") for line in joined.splitlines() if line)
    return [(word, arguments) for word, _, arguments in pairs]


def copied() -> list[str]:
    """What comes from the checkout."""
    return [
        source
        for word, arguments in instructions()
        if word == "COPY" and "--from=" not in arguments
        for source in arguments.split()[:-1]
    ]


def part_of_the_lock(*names: str) -> subprocess.CompletedProcess[str]:
    script, lock, project = IMAGES / "lock_part.py", ROOT / "requirements.lock", ROOT / "pyproject.toml"
    command = [sys.executable, str(script), str(lock), str(project), *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def packages_in(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))


def test_everything_copied_is_in_the_checkout() -> None:
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_nothing_copied_is_ignored() -> None:
    ignore = (IMAGES / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = [line[1:] for line in ignore if line.startswith("!")]
    assert sorted(let_in) == sorted(set(copied()))


def test_every_package_of_the_project_is_copied() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = setuptools["packages"]["find"]["include"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    wanted = {name for name in packages if any(fnmatch(name, pattern) for pattern in patterns)}
    assert wanted - set(copied()) == set()


def test_stages_build_on_stages() -> None:
    stages = ["${BASE}", "${GO}"]
    for word, arguments in instructions():
        if word == "FROM":
            origin, _, name = arguments.partition(" AS ")
            assert origin in stages
            stages.append(name)
        for origin in re.findall(r"--from=(\S+)", arguments):
            assert origin in stages
    assert stages == ["${BASE}", "${GO}", "build", "cni", "runtime", "controller", "agent"]


def test_the_controller_runs_as_the_user_of_the_chart() -> None:
    users = [arguments for word, arguments in instructions() if word == "USER"]
    assert users == ["65532:65532", "0:0"]
    template = (ROOT / "deploy/chart/atoll/templates/controller.yaml").read_text(encoding="utf-8")
    assert re.findall(r"runAs\w+: (\d+)", template) == ["65532", "65532"]


def test_the_last_stages_have_no_tools_to_build_with() -> None:
    _, _, final = RECIPE.partition("AS runtime")
    installed = re.findall(r"--no-install-recommends ([^\\&]+)", final)
    assert [line.split() for line in installed] == [
        ["ca-certificates", "tini"],
        ["git", "gnupg", "openssh-client"],
        ["iproute2", "libnftables1", "nftables"],
    ]
    assert "pip uninstall" in final


def test_the_agents_image_carries_the_cni_plugin() -> None:
    _, _, agent = RECIPE.partition("AS agent")
    assert "COPY --from=cni /atoll-cni /opt/atoll/cni/atoll-cni" in agent


def test_the_cni_plugin_is_built_as_everywhere_else() -> None:
    script = (ROOT / "tools" / "cni_plugin.sh").read_text(encoding="utf-8")
    linked = "-s -w -X main.version=$version"
    assert f'flags="{linked}"' in script
    assert f'-trimpath -buildvcs=false -ldflags "{linked}"' in RECIPE


def test_the_images_go_is_as_new_as_the_cni_plugin_wants() -> None:
    wanted = re.search(r"^go (\d+\.\d+)", (ROOT / "cni" / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert wanted is not None
    assert f"ARG GO=golang:{wanted[1]}-bookworm" in RECIPE


def test_the_versions_are_the_projects() -> None:
    assert f'image.version="{PROJECT["version"]}"' in RECIPE
    assert f"atoll-$part:{PROJECT['version']}" in RECIPE


def test_an_image_gets_what_the_project_runs_with_and_no_test_tool() -> None:
    done = part_of_the_lock()
    packages = packages_in(done.stdout)
    assert {"click", "gitpython", "kubernetes", "msgspec", "oxl-libnftables", "urllib3"} <= packages
    assert packages.isdisjoint({"hypothesis", "import-linter", "mypy", "pytest", "ruff", "setuptools"})


def test_an_images_packages_are_those_of_the_lock_with_their_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    part = part_of_the_lock().stdout
    assert set(part.splitlines()) <= set(lock.splitlines())
    assert re.findall(r"^[a-z0-9-]+==[^\\]*$", part, re.MULTILINE) == []  # each line goes on with a hash


def test_a_package_brings_what_it_needs() -> None:
    assert packages_in(part_of_the_lock("jsonschema").stdout) >= {"jsonschema", "attrs", "referencing"}


def test_a_package_that_the_lock_lacks_is_named() -> None:
    done = part_of_the_lock("no-such-package")
    assert done.returncode == 1
    assert "requirements.lock has no no-such-package: run `make lock`" in done.stderr
