"""Reports of things with parts in time, and of things with several true answers: with pictures, flow and sound, and hostile names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from cache.items import ItemSet
from cache.ledger import Ledger
from media.waveform import encode_waveform
from models.evaluation.files import Found, Part, Prediction, write_evaluation
from models.evaluation.record import Items, Sort
from stages.report.html.finished import Finished, Made, Opened, Sampled, View
from stages.report.html.previews import frames_of
from stages.report.run import run
from tests.report.conftest import LABELS, context, evaluation
from tests.report.pages import HOSTILE, sampled

VIDEOS = 20
SECONDS, RATE = 12.0, 8000
NOTE = f"what a reader has to know {HOSTILE[1]}"
SORTS = (Sort("teacher right, distilled wrong", ("teacher",), ("student.kd",)), Sort("all wrong", wrong=tuple(LABELS)))
#: the first are names of hostile files, which have pictures and sound
NAMES = [*HOSTILE, *(f"video {number}" for number in range(VIDEOS - len(HOSTILE)))]


def parts(video: int) -> list[Part]:
    """Two true parts, one of them of a hostile class."""
    return [("wave", 1.0, 3.0), (HOSTILE[video % len(HOSTILE)], 5.0, 5.0 + 0.25 * (1 + video))]


def found(video: int, place: int) -> list[Found]:
    """What the network in this place finds: the first part or none, and something else that overlaps."""
    right = (video + place) % 3 > 0
    return [("wave", 1.1, 2.9, 0.9, True)] * right + [(HOSTILE[0], 2.0, 9.0, 0.4, False), ("wave", 8.0, 9.5, 0.3, False)]


def detections() -> list[Prediction]:
    """Of every network and video."""
    return [
        Prediction(
            name,
            NAMES[video],
            sorted({own for own, *_ in parts(video)}),
            f"{int(found(video, place)[0][4])} of 2",
            {"seconds": SECONDS},
            right=found(video, place)[0][4],
            parts=parts(video),
            found=found(video, place),
        )
        for place, name in enumerate(LABELS)
        for video in range(VIDEOS)
    ]


def labels(video: int) -> list[str]:
    """None, one or several labels of a video."""
    return [["cat", "dog"], ["cat"], [HOSTILE[1], "dog", "emu"], []][video % 4]


def labellings() -> list[Prediction]:
    """Of every network and video, each asked twice: by what is seen and by what is heard."""
    made = []
    for place, name in enumerate(LABELS):
        for kind in ("seen", "heard"):
            for video in range(VIDEOS):
                said = ["cat", "dog", "emu"][(video + place) % 3]
                about = {"video_id": NAMES[video]}
                own = labels(video)
                made.append(Prediction(name, f"{NAMES[video]}, {kind}", own, said, about, kind=kind, right=said in own, top=((said, 0.5),)))
    return made


def sound(folder: Path) -> Sampled:
    """Of every video a second of a tone."""
    items, rows = ItemSet(folder), {}
    for video in range(VIDEOS):
        tone = np.sin(2 * np.pi * (200 + 100 * video) * np.arange(RATE) / RATE)
        payload = encode_waveform((20_000 * tone).astype(np.int16), RATE, 0.0)
        items.append(f"{video:064x}", payload)
        rows[NAMES[video]] = (f"{video:064x}", hashlib.sha256(payload).hexdigest())
    items.flush()
    return Sampled(rows, items)


def flat(name: str, colour: int) -> View:
    """A modality of the first ten videos that has one colour and only every second frame."""

    def opened(video: str) -> Opened:
        return Opened(np.arange(0, 20, 2), lambda number: np.full((90, 160, 3), colour + number, np.uint8))

    return View(name, {video: f"{name} of {video}" for video in NAMES[:10]}, opened)


def frames(folder: Path) -> View:
    """RGB frames of all videos."""
    return frames_of(renamed(sampled(folder, VIDEOS)))


def renamed(given: Sampled) -> Sampled:
    """The same under the names of these videos."""
    return Sampled({NAMES[int(video)]: row for video, row in given.rows.items()}, given.items)


def finished(folder: Path, predictions: list[Prediction], *, pictures: bool = True) -> Finished:
    """Run the real stage over one evaluation with these predictions; two of the videos were not quite ok."""
    made: dict[str, Made] = {}
    for node in ("sample", "evaluate.s0", "report"):
        files = folder / node
        files.mkdir(parents=True)
        digest = hashlib.sha256(node.encode()).hexdigest()
        made[node] = Made(node, node.split(".")[0], digest, digest, files, "2026-11-29 12:00", 1.0)
    ledger = Ledger()
    for name in (NAMES[0], "nowhere"):
        ledger.add(name, "padded", "too short")
    (made["sample"].files / "ledger.jsonl").write_text(ledger.dump())
    facts = {"items": Items("video", VIDEOS, VIDEOS), "sorts": SORTS, "said_note": NOTE, "panels": ()}
    write_evaluation(made["evaluate.s0"].files, evaluation(0, 0, **facts), predictions=predictions)
    run(context(made["report"].files, {"evaluate.0": made["evaluate.s0"].files}))
    made["report"] = replace(made["report"], reads={"evaluate.0": "evaluate.s0"})
    if not pictures:
        return Finished("toy", made)
    return Finished("toy", made, (frames(folder / "rows"), flat("flow", 200)), sound(folder / "sounds"))
