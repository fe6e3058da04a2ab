"""The same census as a plain loop: what the durable one is checked against.

python -m examples.census.plain
"""

from __future__ import annotations

import json
from dataclasses import asdict

from examples.census.counting import Census, count_package, package_names, standard_library


def census() -> Census:
    """Count one package after the other."""
    library = standard_library()
    return Census.of({name: count_package(library, name) for name in package_names(library)})


if __name__ == "__main__":
    print(json.dumps(asdict(census()), indent=2))
