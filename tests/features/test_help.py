"""Light verbs stay light."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", ["import-features", "export-features", "compare-features"])
def test_help_is_light(verb: str, tmp_path: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from pipeline.cli import cli\n"
        f"done = CliRunner().invoke(cli, [{verb!r}, '--help']); assert done.exit_code == 0, done.output\n"
        "print([name for name in ('h5py', 'torch', 'numpy', 'av') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
