"""Pictures of every system's page for docs/report: what `kdpipe report --html` shows of a tiny world, as Chromium draws it.

    python benchmarks/report_screens.py [--store DIR] [--out docs/report] [system …]

Runs every stage of the tiny world of each system (minutes), writes the page into a temporary folder, and takes a picture of the
examples, with 256 colours. The networks have learnt next to nothing: the pictures show the page, and none of what distillation does.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image

from tests.report.browsers import Chromium, lacks, started

ROOT = Path(__file__).parents[1]
#: pixels of a picture, bytes of a file at the most
WIDTH, HEIGHT, MOST = 1000, 1050, 150_000


class World(NamedTuple):
    """What is run: the system, the dataset, the settings; and which part of the items is shown, as a button begins."""

    system: str
    dataset: str
    settings: tuple[str, ...]
    button: str


EPOCHS = tuple(f"{stage}.{name}" for stage in ("teacher", "student") for name in ("epochs=2", "batch_size=4", "holdout=0.3"))
ARRAYS = ("train.width=0.0625", "train.frames=32", "train.levels=3", "train.size=24", "arrays.size=28", "train.stride=64")
WORLDS = {
    "videoqa": World("videoqa", "tiny", (), ""),
    "fewerframes": World("fewerframes", "world8m", ("world.size=tiny", "seeds=1", *EPOCHS), "all videos"),
    "litemkd": World("litemkd", "tinyactions", ("seeds=1", "graph.modalities=[flow,depth,skeleton]"), "all cases"),
    "recognition": World(
        "gkd",
        "tinyactions",
        ("seeds=1", "train.epochs=1", "timing.repeats=1", "graph.modalities=[rgb,flow]", "derive.flow.expert=dis"),
        "all clips",
    ),
    "detection": World(
        "gkd",
        "thumosworld",
        ("world.size=tiny", "seeds=1", "teacher.weights=random", "student.weights=random", "train.epochs=1", "timing.repeats=1", *ARRAYS),
        "all videos",
    ),
    "xkd": World(
        "xkd",
        "tinyav",
        ("seeds=1", "graph.variants=[full,recon]", "graph.protocols=[svm,linear,finetune]", "timing.repeats=1"),
        "all cases",
    ),
}


def page(world: World, store: Path, folder: Path) -> Path:
    """Run everything that the page needs and write it; returns ``index.html``."""
    about = ["--system", world.system, "--dataset", world.dataset, *(word for setting in world.settings for word in ("--set", setting))]
    for words in (["run", "report", *about], ["report", *about, "--html", str(folder)]):
        subprocess.run(
            [sys.executable, "-m", "pipeline", *words],
            cwd=ROOT,
            env={**os.environ, "KDPIPE_STORE": str(store)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return folder / "index.html"


def taken(browser: Chromium, index: Path, button: str) -> bytes:
    """The examples of a page as PNG."""
    browser.narrow(WIDTH, HEIGHT)
    browser.open(index.as_uri())
    browser.run("document.getElementById('examples').scrollIntoView()")
    browser.until("return document.querySelectorAll('article').length > 0")
    if button:
        browser.run("[...document.querySelectorAll('button')].find(one => one.textContent.startsWith(arguments[0])).click()", button)
    near = "[...document.querySelectorAll('article img')].filter(one => one.getBoundingClientRect().top < innerHeight)"  # others load later
    loaded = f"return {near}.every(one => one.complete && one.naturalWidth)"
    browser.until("return new Promise(done => setTimeout(done, 700, true))")
    browser.until(loaded)
    top, height = browser.run(
        "const box = document.getElementById('examples').getBoundingClientRect(); return [box.y + scrollY, box.height]"
    )
    return browser.picture(0, top, WIDTH, min(height, HEIGHT))


def small(png: bytes) -> bytes:
    """The same with 256 colours or, if it is too large so, with fewer."""
    with Image.open(io.BytesIO(png)) as image:
        whole = image.convert("RGB")
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        whole.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST:
            break
    return buffer.getvalue()


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="system", help=f"of {', '.join(WORLDS)}; all if none is named")
    parser.add_argument("--store", type=Path, help="where results are kept; a temporary place if none is named")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "report")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in WORLDS]
    if unknown or lacks("chromium"):
        parser.error(f"there is no {unknown[0]}" if unknown else f"{' and '.join(lacks('chromium'))} not installed")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "browser").mkdir()
        indices = {name: page(WORLDS[name], options.store or place / "store", place / name) for name in options.names or WORLDS}
        with started("chromium", place / "browser") as browser:
            assert isinstance(browser, Chromium)
            for name, index in indices.items():
                (options.out / f"{name}.png").write_bytes(small(taken(browser, index, WORLDS[name].button)))


if __name__ == "__main__":
    main()
