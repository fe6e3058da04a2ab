"""The manifests of the installation agree with the code, and with each other."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast_operator.settings import PREFIX, OperatorSettings

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "operator" / "install"

Object = dict[str, Any]


def objects(file: Path) -> list[Object]:
    """The documents of a manifest."""
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


def pod() -> Object:
    """The pod of the operator."""
    (deployment,) = objects(INSTALL / "deployment.yaml")
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def settings_of(container: Object) -> Object:
    return {variable["name"]: variable for variable in container["env"]}


def test_every_variable_is_a_setting() -> None:
    known = {PREFIX + setting.name.upper() for setting in fields(OperatorSettings)}
    for container in (*pod()["initContainers"], *pod()["containers"]):
        assert settings_of(container).keys() <= known


def test_the_lease_is_the_one_that_the_role_names() -> None:
    (operator,) = pod()["containers"]
    (named,) = [
        rule["resourceNames"]
        for role in objects(INSTALL / "role.yaml")
        for rule in role.get("rules", [])
        if "resourceNames" in rule
    ]
    assert named == [settings_of(operator)[PREFIX + "LEASE_NAME"]["value"]]


def test_the_port_is_the_one_that_is_listened_on() -> None:
    (operator,) = pod()["containers"]
    _, port = OperatorSettings(database="").address
    assert [each["containerPort"] for each in operator["ports"]] == [port]


def test_images_carry_the_version_of_the_code() -> None:
    ours = version("holdfast")
    tagged = [
        ROOT / "operator/install/kustomization.yaml",
        ROOT / "examples/census/taskrun.yaml",
        ROOT / "examples/orders/task.yaml",
        ROOT / "tests/cluster/postgres/postgres.yaml",
        ROOT / "scripts/kind-up.sh",
        *ROOT.glob("examples/*/Dockerfile"),
    ]
    for file in tagged:
        versions = re.findall(r"(?:holdfast-[a-z-]+:|newTag: |VERSION=)(\d+\.\d+\.\d+)", file.read_text())
        assert set(versions) == {ours}, file


@pytest.mark.parametrize("folder", ["crds", "operator/install", "tests/cluster/postgres"])
def test_every_manifest_is_part_of_the_installation(folder: str) -> None:
    (kustomization,) = objects(ROOT / folder / "kustomization.yaml")
    listed = {name for name in kustomization["resources"] if name.endswith(".yaml")}
    there = {file.name for file in (ROOT / folder).glob("*.yaml")} - {"kustomization.yaml"}
    # Nothing follows schedules yet: whoever applied one would wait for ever.
    assert there - {"holdfast.dev_taskschedules.yaml"} == listed


def test_the_build_tools_are_those_of_the_tests() -> None:
    pins = (ROOT / "requirements/test.txt").read_text()
    for block in re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements/build.txt").read_text().split("make pins\n", 1)[1]):
        assert block.strip() in pins


def test_kind_up_says_what_is_missing(tmp_path: Path) -> None:
    for program in ("bash", "dirname"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")

    ended = subprocess.run(
        [ROOT / "scripts/kind-up.sh"], env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("make kind-up needs docker kind kubectl, which this machine does not have.")
    assert "make cluster-up" in ended.stderr
