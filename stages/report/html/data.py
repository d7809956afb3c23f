"""The files that the page loads when it needs them: scripts, because a page that was opened as a file may read nothing else.

data/items.js       of all items: texts of answers, kinds and folds by number; kind, fold and true answer of every item; where items have
                    several, ``answer`` has them one item after the other, and ``ends`` where those of each end
data/seed_<n>.js    of a seed: what every network answered (SILENT, ABSENT), and whether that is right
data/page_<n>.js    of ``PAGE`` items: ids, what is known of them, the best answers of every network in every seed, their parts in time and
                    those that were found, names of pictures of what was seen and heard

Each calls ``kdpipe_data(name, value)`` of the page's script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.report.html.gather import TOP, WHOLE, Asked
from stages.report.html.markup import script_json

#: Items a file: so many are read to show one of them.
PAGE = 250


@dataclass(frozen=True)
class Shown:
    """Names of pictures in ``folder/previews`` by video: of what was seen, and in which modalities; of what was heard."""

    preview: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    sound: Mapping[str, str] = field(default_factory=dict)


def write(folder: Path, asked: Asked, pictures: Shown) -> int:
    """Write all files into ``folder/data``; returns how many."""
    (folder / "data").mkdir()
    count = 0
    for name, value in _files(asked, pictures):
        text = f"kdpipe_data({script_json(name)},{script_json(value)});\n"
        (folder / "data" / f"{name}.js").write_text(text, encoding="ascii", newline="\n")
        count += 1
    return count


def _files(asked: Asked, pictures: Shown) -> Iterator[tuple[str, Any]]:
    yield (
        "items",
        {
            "words": asked.words.texts,
            "kinds": asked.kinds.texts,
            "folds": asked.folds.texts,
            "kind": asked.kind.tolist(),
            "fold": asked.fold.tolist(),
            "answer": asked.answer.tolist(),
            **({} if asked.single else {"ends": asked.ends.tolist()}),
            "networks": list(asked.networks),
            "seeds": list(asked.seeds),
            "page": PAGE,
            "top": TOP,
            "whole": WHOLE,
        },
    )
    for place, seed in enumerate(asked.seeds):
        said = [asked.said[seed, network].tolist() for network in asked.networks]
        yield f"seed_{place}", {"said": said, "right": [asked.right[seed, network].tolist() for network in asked.networks]}
    for page in range(-(-len(asked) // PAGE)):
        yield f"page_{page}", _page(asked, range(page * PAGE, min((page + 1) * PAGE, len(asked))), pictures)


def _page(asked: Asked, rows: range, pictures: Shown) -> dict[str, Any]:
    """Ids and facts of some items; ``best`` by column of answers: of each item a flat list of answer, chance, answer, chance …"""
    wide = 2 * TOP
    best = []
    for column in asked.columns:
        cells = asked.best[column]
        best.append([[cell for cell in cells[row * wide : (row + 1) * wide] if cell >= 0] for row in rows])
    kinds = {"preview": pictures.preview, "seen": pictures.seen, "sound": pictures.sound}
    shown: dict[str, Any] = {kind: [names.get(asked.videos[row]) for row in rows] for kind, names in kinds.items() if names}
    if asked.parts:
        shown["parts"] = [json.loads(asked.parts.get(row, "[]")) for row in rows]
        shown["found"] = [[json.loads(asked.found[column].get(row, "[]")) for row in rows] for column in asked.columns]
    return {**shown, "id": [asked.ids[row] for row in rows], "about": [json.loads(asked.about[row]) for row in rows], "best": best}
