"""How encoders leave, with a head where there is one (:mod:`models.exported`); it needs no torch."""

from __future__ import annotations

from models.exported import Export
from systems.xkd import FINETUNE, LINEAR, PRETRAIN

READS = ("index", "frames", "sound")
#: In the order in which they are meant where nobody names one: what has a head first.
EXPORTS = (
    Export("systems.xkd.exported:tuned", (FINETUNE,), "finetune.video.full", (*READS, "pretrain")),
    Export("systems.xkd.exported:tuned", (LINEAR,), "linear.video.full", (*READS, "pretrain")),
    Export("systems.xkd.exported:encoders", (PRETRAIN,), "pretrain.full", READS),
)
