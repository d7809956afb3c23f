"""How ``kdpipe predict`` asks the networks of this system; it needs no torch."""

from __future__ import annotations

from models.prediction import Prediction
from systems.videoqa import STUDENT, TEACHER

PREDICTIONS = (
    Prediction(
        entry="systems.videoqa.predictor:load",
        stages=(STUDENT, TEACHER),
        network="student.kd",
        made=("appearance", "motion"),
        kept=("questions",),
        question=True,
    ),
)
