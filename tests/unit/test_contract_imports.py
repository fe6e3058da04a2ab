"""The pod reads names and numbers from the contract, and must not pay for the resources."""

from __future__ import annotations

import subprocess
import sys

FOR_THE_POD = ("environment", "exit_codes", "labels", "limits", "patterns", "reasons", "api_group")


def test_the_pods_part_of_the_contract_brings_neither_pydantic_nor_yaml() -> None:
    imports = "; ".join(f"import holdfast.contract.{module}" for module in FOR_THE_POD)
    program = f"import sys; {imports}; print(sorted({{'pydantic', 'yaml'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_resources_do_not_bring_yaml() -> None:
    program = "import sys, holdfast.contract.manifest; print('pydantic' in sys.modules, 'yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True False"


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
