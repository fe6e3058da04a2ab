"""Names given on the command line: what no manifest may say, no option may."""

from __future__ import annotations

import re

from holdfast.contract.patterns import MEANINGS, NAME
from holdfast.domain.errors import InputError

LONGEST_NAME_CHARACTERS = 63


def check_name(option: str, given: str | None) -> None:
    """Refuse what cannot be a name in a manifest; ``None`` was not given.

    Raises:
        InputError: names the option, the value and the rule.
    """
    if given is None:
        return
    if not re.fullmatch(NAME, given) or "\n" in given:
        raise InputError(f"{option} {given!r} {MEANINGS[NAME]}.")
    if len(given) > LONGEST_NAME_CHARACTERS:
        raise InputError(f"{option} {given!r} has {len(given)} characters: {LONGEST_NAME_CHARACTERS} are the most.")
