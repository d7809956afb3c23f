"""How ``kdpipe predict`` asks the networks of this system about videos, of which the dataset has none; it needs no torch."""

from __future__ import annotations

from models.prediction import Instead, Prediction
from systems.fewerframes import STUDENT, TEACHER

#: A step of the drawn programmes is a quarter of a second (:mod:`world.programme`), chosen as the published extractor chooses its frames,
#: and heard at 16 kHz; 300 of them are read.
FRAMES = {"policy": "rate", "fps": 4.0, "take": "next", "seconds": 75.0}
SOUND = {"policy": "audio", "audio_rate": 16_000, "seconds": 76.0}

PREDICTIONS = (
    Prediction(
        "systems.fewerframes.predictor:load",
        (STUDENT, TEACHER),
        "student.both",
        made=("ingest",),
        instead={"ingest": Instead("systems.fewerframes.described:run", FRAMES, SOUND, given=("world",))},
        kept=("ingest",),
    ),
)
