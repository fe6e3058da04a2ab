"""The pod reads names and numbers from the contract, and must not pay for the resources."""

from __future__ import annotations

import subprocess
import sys

import holdfast

PATH = list(holdfast.__path__)
FOR_THE_POD = ("environment", "exit_codes", "labels", "limits", "patterns", "reasons", "api_group")


def imported_by(*modules: str) -> set[str]:
    """Return which of pydantic and yaml these modules import, whatever `holdfast` itself brings."""
    bare_package = (
        f"import sys, types; sys.modules['holdfast'] = h = types.ModuleType('holdfast'); h.__path__ = {PATH!r}"
    )
    imports = "; ".join(f"import holdfast.contract.{module}" for module in modules)
    program = f"{bare_package}; {imports}; print(*({{'pydantic', 'yaml'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_pods_part_of_the_contract_brings_neither_pydantic_nor_yaml() -> None:
    assert imported_by(*FOR_THE_POD) == set()


def test_the_resources_do_not_bring_yaml() -> None:
    assert imported_by("manifest") == {"pydantic"}


def test_a_missing_yaml_is_named_with_the_command_that_installs_it() -> None:
    program = (
        "import sys; sys.modules['yaml'] = None\n"
        "from holdfast.contract.manifest import load_manifests\n"
        "try: load_manifests('a: b')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingExtraError")
    assert "pip install 'holdfast[dev]'" in done.stdout
