"""How ``kdpipe predict`` asks what was learnt on encoders: SVMs, heads, fine-tuned networks; it needs no torch."""

from __future__ import annotations

from models.prediction import Prediction
from systems.xkd import FINETUNE, LINEAR, SVM

FRAMES, SOUND = "features.frames", "features.sound"

PREDICTIONS = (
    Prediction(
        "systems.xkd.predictor:load_svm",
        (SVM,),
        "svm.full",
        made=(FRAMES, SOUND),
        kept=("features.pretrain",),
        maybe=(FRAMES, SOUND),
        params=("features",),
        modalities={"both": (FRAMES, SOUND), "video": (FRAMES,), "audio": (SOUND,)},
    ),
    *(
        Prediction(
            "systems.xkd.predictor:load_tuned",
            (stage,),
            f"{stage.name}.video.full",
            made=("frames", "sound"),
            kept=("pretrain", "index"),
            maybe=("frames", "sound"),
            params=("",),
        )
        for stage in (FINETUNE, LINEAR)
    ),
)
