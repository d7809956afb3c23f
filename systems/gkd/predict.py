"""How ``kdpipe predict`` asks the networks of both halves, alone or RGB with flow as the evaluation fuses them; it needs no torch."""

from __future__ import annotations

from models.prediction import Prediction
from systems.gkd.compared import BOTH_STREAMS, PARTNERS, STREAMS
from systems.gkd.detection.params import STUDENT as STUDENT_DETECTION
from systems.gkd.detection.params import TEACHER as TEACHER_DETECTION
from systems.gkd.recognition.params import STUDENT, TEACHER


def _asked(half: str, teacher: bool) -> Prediction:
    """Teachers are fused with teachers only."""
    own, other = ("frames", "partner.frames") if half == "recognition" else ("arrays", "partner.arrays")
    stages = {"recognition": (STUDENT, TEACHER), "detection": (STUDENT_DETECTION, TEACHER_DETECTION)}[half]
    return Prediction(
        f"systems.gkd.{half}.predictor:load",
        (stages[teacher],),
        "student.kd",
        made=(own, other),
        kept=("partner",),
        maybe=(other, "partner"),
        streams=STREAMS[half],
        modalities={"own": (own,), BOTH_STREAMS: (own, other)},
        partners=PARTNERS[:1] if teacher else PARTNERS,
    )


PREDICTIONS = tuple(_asked(half, teacher) for half in ("recognition", "detection") for teacher in (False, True))
