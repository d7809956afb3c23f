"""How ``kdpipe predict`` asks students, experts of one modality, and teachers, which see what experts make of all; it needs no torch."""

from __future__ import annotations

from models.prediction import Prediction
from systems.litemkd import EXPERT, MODALITIES, STUDENT, TEACHER

PICTURES, EXPERTS = (tuple(f"{modality}.{what}" for modality in MODALITIES) for what in ("frames", "expert"))

PREDICTIONS = (
    Prediction("systems.litemkd.predictor:load_student", (STUDENT,), "student.kd", made=("frames",), support=True),
    Prediction(
        "systems.litemkd.predictor:load_teacher",
        (TEACHER,),
        "student.kd",
        made=PICTURES,
        kept=EXPERTS,
        maybe=(*PICTURES, *EXPERTS),
        shown={modality: f"dump.{modality}" for modality in MODALITIES},
        support=True,
    ),
    Prediction(
        "systems.litemkd.predictor:load_expert",
        (EXPERT,),
        "student.kd",
        made=("frames",),
        streams={modality: {"frames": (f"dump.{modality}", "frames")} for modality in MODALITIES},
        support=True,
    ),
)
