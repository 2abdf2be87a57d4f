"""The files in deploy/ are well-formed, and what they start are commands of zmr."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from zmr.cli.group import zmr as group

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SCRIPTS = [DEPLOY / "ssh" / "cluster.sh", DEPLOY / "slurm" / "zmr.sbatch"]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE = DEPLOY / "docker" / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes" / "zmr.yaml"


def require_command(words: list[str]) -> None:
    """Fail if zmr does not understand what comes after its name."""
    context = click.Context(group, info_name="zmr")
    command = group.get_command(context, words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:], parent=context)


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def typed_in(text: str) -> Iterator[list[str]]:
    """The commands of zmr in a script, with words for the variables."""
    text = re.sub(r"\\\n#?", " ", text)
    for line in re.findall(r"\bzmr ((?:run|master|worker|submit|key) [^\n;|&)<]*)", text):
        line = re.sub(r'"?tcp://[^\s"\']*"?', "tcp://127.0.0.1:5555", line).replace("'", "")
        line = line.replace('"$@"', "wordcount in -o out").split("2>")[0]
        yield shlex.split(re.sub(r'"?\$\{?\w+\}?"?', "7", line))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    commands = list(typed_in(path.read_text()))
    assert {words[0] for words in commands} >= {"master", "worker", "key"}
    for words in commands:
        require_command(words)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_one(path: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    assert unit.sections() == ["Unit", "Service", "Install"]
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/zmr")
    require_command(words)
    credential = unit["Service"]["LoadCredential"].partition(":")[0]
    assert f"--key-file ${{CREDENTIALS_DIRECTORY}}/{credential}" in unit["Service"]["ExecStart"]
    assert int(unit["Service"]["TimeoutStopSec"]) > 60


def test_the_compose_file_starts_a_master_and_workers() -> None:
    [compose] = documents(COMPOSE)
    for service in compose["services"].values():
        require_command([str(word) for word in service["command"]])
        assert "ZMR_KEY" in service["environment"]
    for words in typed_in(COMPOSE.read_text()):
        require_command(words)


def test_the_image_runs_zmr() -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text()
    lines = text.replace("\\\n", " ").splitlines()
    words = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert words[0] == "FROM"
    assert set(words) <= {"FROM", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT"}
    assert words.index("USER") < words.index("ENTRYPOINT")  # not root


def test_no_key_gets_into_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split("\n", 1)[1].split()
    assert ignored[0] == "*"
    assert {name.removeprefix("!") for name in ignored[1:]} == {
        *("hatch_build.py", "LICENSE", "pyproject.toml", "README.md", "zmr")
    }


def test_the_kubernetes_objects_belong_together() -> None:
    objects = documents(KUBERNETES)
    kinds = {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert kinds >= {
        ("Service", "zmr"),
        ("StatefulSet", "zmr-master"),
        ("Deployment", "zmr-worker"),
    }
    [service] = [each for each in objects if each["kind"] == "Service"]
    for each in objects:
        if "template" not in each["spec"]:
            continue
        template = each["spec"]["template"]
        assert each["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
        pod = template["spec"]
        assert pod["terminationGracePeriodSeconds"] > 60
        assert pod["enableServiceLinks"] is False
        [container] = pod["containers"]
        require_command([str(word) for word in container["args"]])
        assert [variable["name"] for variable in container["env"]] == ["ZMR_KEY"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {
            claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", ())
        }
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert ports == {"control": 5555, "events": 5556}
    for words in typed_in(KUBERNETES.read_text()):
        require_command(words)


def test_the_page_names_every_file() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    files = {path.relative_to(ROOT).as_posix() for path in DEPLOY.rglob("*") if path.is_file()}
    assert files == set(re.findall(r"\.\./(deploy/[\w./-]+\w)\)", page))
