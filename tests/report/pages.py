"""A finished report with everything that a page shows, some of it hostile, and the page of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cache.items import ItemSet
from cache.ledger import Ledger
from media.frames import encode_image, encode_payload
from models.evaluation.files import Prediction, write_evaluation
from models.evaluation.record import Evaluation, Items, Sort
from models.evaluation.times import Times, Timing
from stages.report.html.finished import Finished, Made, Sampled
from stages.report.html.write import write
from stages.report.run import run
from tests.report.conftest import LABELS, context, curve, evaluation

#: Texts that would run, load, hide, turn around or break something, were they more than text.
HOSTILE = (
    "</script><script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 2'>",
    '" onmouseover="window.harmed = 3" \' &amp; &lt;b&gt;',
    "<!-- ]]> --> <script>",
    "\u202edrawkcab si siht\u2066",
    "line\u2028break\u2029 and \x00\x07",
    "__proto__",
    "{{7*7}} ${7*7} javascript:window.harmed=4",
)
#: Half of a character, as JSON may hold it; no file of text can.
HALF = "half \ud800"
KINDS = ("what", "who")
SORTS = (Sort("teacher right, distilled wrong", ("teacher",), ("student.kd",)), Sort("all wrong", wrong=tuple(LABELS)))


def predictions(seed: int, items: int) -> list[Prediction]:
    """What three networks say of so many items: by rules that anyone can work out again, with hostile texts among the answers."""
    found = []
    for place, name in enumerate(LABELS):
        for item in range(items):
            words = [*(f"word {n}" for n in range(5)), *HOSTILE, HALF]
            truth = words[item % len(words)]
            said = truth if (item // (place + 1) + seed) % 5 < 3 else words[(item + 1) % len(words)]
            silent = item % 29 == 3
            about = {"question": ["is", HOSTILE[item % len(HOSTILE)]], "video_id": item // 2}
            top = () if silent else ((said, 0.75), ("word 0", 0.125))
            found.append(Prediction(name, f"i{item}", truth, None if silent else said, about, kind=KINDS[item % 2], top=top))
    return found


def finished(folder: Path, *, seeds: Sequence[int] = (0, 1), items: int = 60, hostile: bool = True, **changes: Any) -> Finished:
    """Run the real stage over evaluations with predictions, and say of each result what the store would."""
    made: dict[str, Made] = {}
    extra = {"flags": HOSTILE[:2], "notes": HOSTILE, "dataset": HOSTILE[0]} if hostile else {}

    def result(node: str, reads: Mapping[str, str], **more: Any) -> Path:
        files = folder / node
        files.mkdir(parents=True)
        digest = hashlib.sha256(node.encode()).hexdigest()
        settings = {"lr": 0.1, "name": HOSTILE[3]}
        changed = {"name": settings["name"]}
        made[node] = Made(node, node.split(".")[0], digest, digest[::-1], files, "2026-11-28 12:00", 1.5, settings, changed, reads, **more)
        return files

    ledger = Ledger()
    for place, text in enumerate(HOSTILE):
        ledger.add(f"{place} {text}", "undecodable", text)
    (result("extract.motion", {}, accepted=HOSTILE[1]) / "ledger.jsonl").write_text(ledger.dump())
    (made["extract.motion"].files / "features.json").write_text(json.dumps({"random": True}))
    for place, seed in enumerate(seeds):
        for name in LABELS:
            result(f"{name}.s{seed}", {"motion": "extract.motion"} if name == "teacher" else {}, code={"models.net": "ab" * 32})
        out = result(f"evaluate.s{seed}", {name: f"{name}.s{seed}" for name in LABELS})
        facts = {"items": Items("question", total=items, scored=items, needs="video"), "sorts": SORTS, **extra, **changes}
        said = evaluation(seed, place, **facts)
        curves = [record for name in LABELS for record in curve(name, place, 3 + place)]
        write_evaluation(out, said, curves=curves, predictions=predictions(seed, items) if items else None)
    times = Timing(dict.fromkeys(LABELS, Times(1.5, 0.25)), batch_size=32, repeats=5, threads=1, device="cpu")
    times.write(result("timing", {}))
    reads = {**{f"evaluate.{place}": f"evaluate.s{seed}" for place, seed in enumerate(seeds)}, "timing": "timing"}
    out = result("report", reads)
    run(context(out, {alias: made[node].files for alias, node in reads.items()}))
    return Finished("toy", made)


def written(folder: Path, **changes: Any) -> Path:
    """Write the page of :func:`finished`; returns ``index.html``."""
    return write(folder / "page", finished(folder / "store", **changes))


def right(seed: int, items: int) -> Iterator[dict[str, bool | None]]:
    """Of every item: network -> whether it is right, None where it says nothing."""
    said = predictions(seed, items)
    for item in range(items):
        mine = said[item::items]
        yield {one.model: None if one.prediction is None else one.is_right for one in mine}


def evaluations_of(found: Finished) -> list[Evaluation]:
    """The evaluations of a finished report as they were written."""
    from models.evaluation.files import read_evaluation

    return [read_evaluation(made.files) for made in found.evaluations().values()]


def sampled(folder: Path, videos: int) -> Sampled:
    """Frames of the first videos: twenty pictures each, 320 × 180, that grow lighter; the first frame of a video says its number."""
    items, rows = ItemSet(folder), {}
    for video in range(videos):
        pictures = {n: encode_image(np.full((180, 320, 3), min(255, 10 * n + video), np.uint8)) for n in range(20)}
        payload = encode_payload(np.arange(20, dtype=np.int32)[None], {n: n / 10 for n in range(20)}, pictures)
        items.append(f"{video:064x}", payload)
        rows[str(video)] = (f"{video:064x}", hashlib.sha256(payload).hexdigest())
    items.flush()
    return Sampled(rows, items)
