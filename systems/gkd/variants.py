"""What a student learns from its teacher, in both halves."""

from __future__ import annotations

#: student -> (generative distillation, attention distillation), in the order of the report
VARIANTS = {"alone": (False, False), "kd": (True, True), "generative": (True, False), "attention": (False, True)}
