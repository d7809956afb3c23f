"""The one place that draws with matplotlib: under its own defaults, into memory, whatever the user's settings and display are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cache.errors import ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

    Axes = npt.NDArray[Any]

#: What matplotlib obeys while it is imported: notebooks name a backend that only they have, a settings file may be none.
IMPORTED_UNDER = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}


#: Names of lines that stand side by side.
IN_A_ROW = 4


@contextmanager
def canvas(path: Path, lines: int, columns: int, size: tuple[float, float], **subplots: Any) -> Iterator[Axes]:
    """Yield axes (lines, columns), ``size`` in inches together, and write what was drawn on them to ``path`` as PNG.

    Equal drawings give equal bytes under any settings of the user. Raises ConfigError if matplotlib cannot be imported.
    """
    matplotlib = _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure.subplots(lines, columns, squeeze=False, **subplots)
        # the version of matplotlib has no place in an artifact
        figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


def label(axes: Axes, heading: str) -> None:
    """Write what all axes show above them, and name their lines once below them, where no line can be covered."""
    figure = axes.flat[0].figure
    figure.suptitle(heading, fontsize=9)
    lines = {name: line for axis in axes.flat for line, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    if lines:
        figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=min(len(lines), IN_A_ROW), fontsize=8)


def _matplotlib() -> ModuleType:
    """The package, imported without this user's settings; those of the working directory are read all the same, and left out later."""
    before = {name: os.environ.get(name) for name in IMPORTED_UNDER}
    os.environ.update(IMPORTED_UNDER)
    try:
        import matplotlib

        return matplotlib
    except (ImportError, OSError, ValueError) as error:
        raise ConfigError(
            f"no picture can be drawn, matplotlib does not start: {error}",
            hint="mend ./matplotlibrc if there is one; --set report.curves=false goes without pictures",
        ) from error
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
