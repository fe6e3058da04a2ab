"""What a peer's process measured, on its way to ours."""

from __future__ import annotations

import json
from typing import Self

from benchmarks.samples import Samples

STEPS = 1000
"""How many steps a resume replays."""


class PeerSamples:
    """Samples of a peer: steps beside the floor's inserts, and resumes."""

    def __init__(self) -> None:
        self.steps = Samples()
        self.inserts = Samples()
        self.resumes = Samples()

    def print(self) -> None:
        """Print them as one line of JSON."""
        print(json.dumps({name: list(samples) for name, samples in vars(self).items()}), flush=True)

    @classmethod
    def read(cls, output: str) -> Self:
        """Read what ``print`` printed last."""
        found = cls()
        for name, milliseconds in json.loads(output.strip().rpartition("\n")[2]).items():
            setattr(found, name, Samples(milliseconds))
        return found
