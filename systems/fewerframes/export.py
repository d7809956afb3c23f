"""How networks of this system leave (:mod:`models.exported`); it needs no torch."""

from __future__ import annotations

from models.exported import Export
from systems.fewerframes import STUDENT, TEACHER

EXPORTS = (Export("systems.fewerframes.exported:load", (STUDENT, TEACHER), "student.both", reads=("ingest",)),)
