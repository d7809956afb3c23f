"""How networks of both halves leave (:mod:`models.exported`); it needs no torch."""

from __future__ import annotations

from models.exported import Export
from systems.gkd.compared import STREAMS
from systems.gkd.detection.params import STUDENT as STUDENT_DETECTION
from systems.gkd.detection.params import TEACHER as TEACHER_DETECTION
from systems.gkd.recognition.params import STUDENT, TEACHER

EXPORTS = (
    Export(
        "systems.gkd.recognition.exported:load",
        (STUDENT, TEACHER),
        "student.kd",
        reads=("index", "frames"),
        streams=STREAMS["recognition"],
    ),
    Export(
        "systems.gkd.detection.exported:load",
        (STUDENT_DETECTION, TEACHER_DETECTION),
        "student.kd",
        reads=("index", "arrays"),
        streams=STREAMS["detection"],
    ),
)
