"""Pictures have the same bytes whatever the user's settings of matplotlib are, and nothing of them ends a report."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRAW = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from models.evaluation.record import Panel
from stages.report import curves, tradeoff
rows = [[{"model": "a", "epoch": e, "val": 0.3 + 0.05 * e + s, "common": 10.0**-e} for e in range(4)] for s in (0, 0.1)]
curves.draw(Path("curves.png"), [Panel("val", "accuracy", "%"), Panel("common", "loss", "", True)], rows, {"a": "the network"}, 0.95)
networks = [
    {"label": f"{n}", "series": "alone", "costs": {"frames": n}, "times": None, "scores": {"GAP": {"mean": n / 9, "half": 0.01}}}
    for n in (2, 4)
]
costs = [{"key": "frames", "axis": "frames", "per": 1}]
summary = {"networks": networks, "columns": [{"name": "GAP", "unit": "%"}], "costs": costs, "metric": "GAP", "items": {"one": "video"}}
summary |= {"dataset": "d", "level": 0.95, "seeds": [0, 1], "folds": [], "replicates": [{"seed": 0, "fold": ""}, {"seed": 1, "fold": ""}]}
tradeoff.draw(Path("tradeoff.png"), summary)
assert "matplotlib.pyplot" not in sys.modules
"""
SETTINGS = "font.size: 20\ntext.usetex: True\nbackend: tkagg\nfigure.dpi: 50\nsavefig.bbox: tight\nlines.linestyle: --\n"
NO_TEXT = "font.family: café\n".encode("latin-1")


def drawn(folder: Path, **environment: str) -> dict[str, bytes]:
    """Both pictures, drawn by a new process in ``folder`` under this environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "MATPLOTLIB"))}
    done = subprocess.run(
        [sys.executable, "-c", DRAW, str(ROOT)], cwd=folder, env={**kept, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return drawn(tmp_path_factory.mktemp("plain"))


def settings_named_by_the_environment(folder: Path) -> dict[str, str]:
    (folder / "settings").write_text(SETTINGS)
    return {"MATPLOTLIBRC": str(folder / "settings")}


def a_backend_of_notebooks_and_no_room_for_settings(folder: Path) -> dict[str, str]:
    (folder / "file").write_text("")
    return {"MPLBACKEND": "module://no_such_package.backend_inline", "MPLCONFIGDIR": str(folder / "file" / "below")}


def an_unknown_backend_and_settings_that_are_no_text(folder: Path) -> dict[str, str]:
    (folder / "settings").write_bytes(NO_TEXT)
    return {"MPLBACKEND": "nonsense", "MATPLOTLIBRC": str(folder / "settings")}


def settings_and_styles_of_the_user(folder: Path) -> dict[str, str]:
    (folder / "config" / "stylelib").mkdir(parents=True)
    (folder / "config" / "matplotlibrc").write_bytes(NO_TEXT)
    (folder / "config" / "stylelib" / "mine.mplstyle").write_bytes(NO_TEXT)
    return {"MPLCONFIGDIR": str(folder / "config")}


def settings_in_the_working_directory(folder: Path) -> dict[str, str]:
    (folder / "matplotlibrc").write_text(SETTINGS)
    return {}


@pytest.mark.parametrize(
    "make",
    [
        settings_named_by_the_environment,
        a_backend_of_notebooks_and_no_room_for_settings,
        an_unknown_backend_and_settings_that_are_no_text,
        settings_and_styles_of_the_user,
        settings_in_the_working_directory,
    ],
)
def test_pictures_have_the_same_bytes_under_any_settings(
    make: Callable[[Path], dict[str, str]], plain: dict[str, bytes], tmp_path: Path
) -> None:
    assert sorted(plain) == ["curves.png", "tradeoff.png"]
    assert drawn(tmp_path, **make(tmp_path)) == plain


def test_settings_that_matplotlib_cannot_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes(NO_TEXT)
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom stages.report.canvas import canvas\nwith canvas(None, 1, 1, (1, 1)): pass"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "ConfigError: no picture can be drawn, matplotlib does not start" in done.stderr and "mend ./matplotlibrc" in done.stderr


def test_settings_made_in_the_same_process_do_not_show_and_are_kept(tmp_path: Path) -> None:
    import matplotlib

    from stages.report.canvas import canvas

    def draw(name: str) -> bytes:
        with canvas(tmp_path / name, 1, 1, (2, 2)) as axes:
            axes[0, 0].plot([1, 2])
        return (tmp_path / name).read_bytes()

    before = draw("before.png")
    with matplotlib.rc_context({"font.size": 30, "text.usetex": True}):
        assert draw("after.png") == before
        assert matplotlib.rcParams["font.size"] == 30


def test_nothing_else_draws_with_matplotlib() -> None:
    files = [
        path
        for top in ("cache", "pipeline", "stages", "systems", "models", "media", "formats", "world", "benchmarks")
        for path in (ROOT / top).rglob("*.py")
    ]
    users = [
        path for path in files if "pyplot" in (text := path.read_text(encoding="utf-8")) or "savefig" in text or "import matplotlib" in text
    ]
    assert users == [ROOT / "stages" / "report" / "canvas.py"]
