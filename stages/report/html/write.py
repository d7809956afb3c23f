"""Write the report as a folder: ``index.html``, and in ``data/`` and ``previews/`` what it loads when items are looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cache.errors import KdpipeError
from cache.json_files import read_json
from models.evaluation.files import read_curves, read_evaluation
from models.evaluation.record import Evaluation, Sort
from stages.report.html import data, previews, sounds
from stages.report.html.finished import Finished
from stages.report.html.gather import Asked, gather
from stages.report.html.page import offered, page
from stages.report.html.provenance import listed
from stages.report.replicates import in_order

#: How the page begins that may be written over.
OURS = '<meta name="generator" content="kdpipe report">'


def write(folder: Path, finished: Finished, *, most_previews: int = 0) -> Path:
    """Write the page of a finished report, in place of an older one, and return its path. So many videos have previews at the most.

    The folder changes at once, when everything is written. Raises KdpipeError if it holds anything but such a page.
    """
    _must_be_free(folder)
    found = _evaluations(finished)
    summary = read_json(finished.report.files / "report.json")
    asked = gather(found)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        stills = previews.thumbnails(new, folder, listed(finished), finished.views, most_previews)
        text = page(summary, finished, [one for one, _ in found], [read_curves(path) for _, path in found], asked, stills)
        (new / "index.html").write_text(text, encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
        if len(asked):
            data.write(new, asked, _pictures(new, folder, finished, asked, offered(found[0][0]), most_previews))
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        new.rename(folder)
    return folder / "index.html"


def _pictures(new: Path, old: Path, finished: Finished, asked: Asked, sorts: Sequence[Sort], most: int) -> data.Shown:
    """Make the pictures of what was seen and heard of the items that a reader meets first."""
    shown = previews.write(new, old, asked, finished.views, sorts, most)
    seen = {video: ", ".join(view.name for view in previews.seen(finished.views, video)) for video in shown}
    heard = sounds.write(new, old, asked, finished.sound, sorts, most) if finished.sound else {}
    return data.Shown(shown, seen if len(finished.views) > 1 else {}, heard)


def _evaluations(finished: Finished) -> list[tuple[Evaluation, Path]]:
    """The evaluations in the order of the report, with their directories."""
    found = {}
    for made in finished.evaluations().values():
        one = read_evaluation(made.files)
        found[one.seed, one.fold] = (one, made.files)
    return [found[one.seed, one.fold] for one in in_order(one for one, _ in found.values())]


def _must_be_free(folder: Path) -> None:
    hint = "name a new folder, or one that holds such a page"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise KdpipeError(f"{folder} is no folder", hint=hint)
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    index = folder / "index.html"
    if not index.is_file() or OURS not in index.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise KdpipeError(f"{folder} holds other files, which the page would replace", hint=hint)
