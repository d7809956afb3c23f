"""The published objectives of students as data: terms on named outputs (spec D). What one is worth: :mod:`systems.litemkd.losses`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The published number of episodes a step: labels weigh 1 / 16.
EPISODES = 16


@dataclass(frozen=True)
class Term:
    """One term: ``weight`` times (``base`` + ``slope`` f) times the ``loss`` of the output ``on``; ``target`` is the teacher's output.

    ``loss`` is ``"h"`` (labels), ``"kd"``, ``"r"`` or ``"mse"``.
    """

    loss: str
    on: str
    target: str = ""
    weight: float = 1.0
    base: float = 1.0
    slope: float = 0.0


@dataclass(frozen=True)
class Objective:
    """A sum of terms. ``compared``: the outputs whose cross-entropies make f; a name after ``teacher:`` is the teacher's."""

    terms: tuple[Term, ...]
    compared: tuple[str, str] | None = None


def _h(on: str, weight: float = 1.0, base: float = 1.0, slope: float = 0.0) -> Term:
    return Term("h", on, "", weight, base, slope)


def _kd(on: str, target: str = "kl", weight: float = 1.0, base: float = 1.0, slope: float = 0.0) -> Term:
    return Term("kd", on, target, weight, base, slope)


def _r(on: str, target: str, weight: float = 1.0, base: float = 1.0, slope: float = 0.0) -> Term:
    return Term("r", on, target, weight, base, slope)


_R_SUP, _KD_SUP = _r("sup", "sup", 0.5), _kd("sup", "sup", 0.5)

#: The objectives under their published names. ``logits``, ``kl``, ``ce``, ``sup`` ... are the outputs of the heads.
OBJECTIVES: Mapping[str, Objective] = {
    "ce": Objective((_h("logits"),)),
    "cece": Objective((_h("kl"), _h("ce"))),  # not published: two branches alone
    "KD": Objective((_h("logits"), _kd("logits", "kl", 2.0))),
    "Dist_KD": Objective((_h("logits"), _r("logits", "kl", 2.0))),
    "wsl": Objective((_h("logits"), _kd("logits", "kl", 2.0, base=0.0, slope=1.0)), ("logits", "teacher:kl")),
    "KL_feature": Objective((_h("logits"), _kd("logits", "kl", 2.0), Term("mse", "feature", "feature"))),
    "support_sim": Objective((_kd("support_set", "support_set"), _kd("query", "query"), _h("query"))),
    "fc_2": Objective((_h("fc_1"), _kd("fc_2", "kl", 2.0))),
    "fc_2_wsl": Objective((_h("fc_1", base=2.0, slope=-1.0), _kd("fc_2", slope=1.0)), ("fc_1", "fc_2")),
    "fc_2_sup": Objective(
        (
            _kd("kl", slope=1.0),
            _kd("sup", "sup", 0.1 / EPISODES, base=2.0, slope=-1.0),
            _h("ce", base=2.0, slope=-1.0),
        ),
        ("ce", "kl"),
    ),
    "fc_2_sup_dist": Objective((_kd("kl"), _R_SUP, _h("ce"))),
    "fc_2_sup_kl": Objective((_kd("kl"), _KD_SUP, _h("ce"))),
    "fc_2_sup_dist_cece": Objective((_kd("kl"), _h("kl"), _R_SUP, _h("ce"))),
    "fc_2_sup_klklcece": Objective((_kd("kl"), _h("kl"), _KD_SUP, _h("ce"))),
    "fc_2_sup_distdistcece": Objective((_r("kl", "kl"), _h("kl"), _R_SUP, _h("ce"))),
    "fc_2_sup_disver": Objective((_r("kl", "kl"), _h("kl"), _KD_SUP, _h("ce"))),
    "fc_2_sup_dist_wsl": Objective(
        (
            _kd("kl", base=0.5, slope=1.0),
            _r("sup", "sup", 0.5, base=1.5, slope=-1.0),
            _h("ce", base=1.5, slope=-1.0),
        ),
        ("ce", "kl"),
    ),
    "fc_2_sup_2": Objective((_kd("kl"), _r("sup_kl", "sup"), _h("ce"), _r("sup_ce", "sup"))),
    "fc_1_sup": Objective((_h("kl"), _kd("kl"), _R_SUP)),
    "e_dist_1fc_sup": Objective((_h("kl"), _kd("kl"), _R_SUP)),
    "fc_sup": Objective((_h("kl"), _R_SUP)),
    "strm": Objective((_h("pat", 0.1), _h("fr"))),
    "strm_KD": Objective((_h("pat", 0.1), _h("fr"), _kd("fr", "kl", 2.0))),
    "strm_fc_2_sup_dist": Objective((_kd("fr1"), _R_SUP, _h("fr2"), _kd("pat", "kl", 0.1), _h("pat", 0.1))),
    "strm_1fc_sup": Objective((_kd("fr"), _R_SUP, _h("fr"), _kd("pat", "kl", 0.1), _h("pat", 0.1))),
}
