"""How the students leave (:mod:`models.exported`); it needs no torch. (A teacher sees features of several experts, and stays.)"""

from __future__ import annotations

from models.exported import Export
from systems.litemkd import STUDENT

EXPORTS = (Export("systems.litemkd.exported:load", (STUDENT,), "student.kd", reads=("index", "frames")),)
