"""What a process costs, as the kernel counts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessCost:
    """A process that runs."""

    pid: int

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far, in the program and in the kernel for it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    @property
    def memory_megabytes(self) -> float:
        """Memory that it holds now."""
        return self._kilobytes("VmRSS") / 1024

    @property
    def peak_memory_megabytes(self) -> float:
        """The most memory that it ever held."""
        return self._kilobytes("VmHWM") / 1024

    def _kilobytes(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
