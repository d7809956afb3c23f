"""Where the cases of a system are, and how tests run them."""

from __future__ import annotations

import io
import os
from pathlib import Path

from tests.parity.runner import run

GOLDEN = Path(os.environ.get("KDPIPE_GOLDEN", Path(__file__).parents[3] / "shared" / "golden"))


def cases_of(system: str) -> tuple[Path, Path]:
    """The folder of the small cases, which travel with the repository, and that of all, which may not be there."""
    return Path(__file__).parents[1] / "data" / system, GOLDEN / system


def report(directory: Path, only: str = "*") -> tuple[int, list[str]]:
    """Run the cases of a folder: the exit status, and the lines that say how each ended."""
    out = io.StringIO()
    status = run(directory, only, out=out)
    return status, out.getvalue().splitlines()
