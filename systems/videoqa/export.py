"""How networks of this system leave (:mod:`models.exported`); it needs no torch."""

from __future__ import annotations

from models.exported import Export
from systems.videoqa import STUDENT, TEACHER

EXPORTS = (Export("systems.videoqa.exported:load", (STUDENT, TEACHER), "student.kd", reads=("appearance", "motion", "questions")),)
