"""The graph of the system: which nodes, what they read, and which setting touches which."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

from cache.stage import keyed_params
from systems.fewerframes import VARIANTS, nodes
from tests import settings

graph = partial(settings.graph, nodes)


def changed(**values: Any) -> set[str]:
    """As of :mod:`tests.settings`, without the seeds."""
    return {name.rpartition(".s")[0] or name for name in settings.changed(nodes, **values)}


def test_every_seed_has_its_networks_for_every_k() -> None:
    found = graph(evaluate__ks=(6, 15))
    students = {f"student.{variant}.k{k}" for variant in VARIANTS for k in (6, 15)}
    assert set(found) == {f"{name}.s{seed}" for name in {"teacher", "dump", "evaluate", *students} for seed in (0, 1)} | {"timing"}
    assert found["student.rep.k15.s1"].params.k == 15 and found["student.rep.k15.s1"].params.seed == 1
    assert set(found["evaluate.s0"].reads) == {"teacher", "ingest", "index", *students}


def test_another_k_leaves_the_features_the_teacher_and_the_dump_as_they_are() -> None:
    assert changed(evaluate__ks=(6, 15)) == {*(f"student.{v}.k15" for v in VARIANTS), "evaluate", "timing"}
    assert all("k" not in keyed_params(graph()[name]) for name in ("teacher.s0", "dump.s0"))


def test_the_defaults_are_the_published_settings() -> None:
    for params in (graph()["teacher.s0"].params, graph()["student.both.k6.s0"].params):
        assert (params.groups, params.clusters, params.hidden, params.expansion, params.gating_reduction) == (8, 128, 2048, 2, 8)
        assert (params.lr, params.decay, params.decay_examples, params.batch_size, params.clip) == (2e-4, 0.8, 2e6, 160, 1.0)
        assert (params.drop_rate, params.classifier, params.normalisation, params.max_frames, params.epochs) == (
            0.5,
            "logistic",
            "whitening",
            300,
            5,
        )


def test_a_distillation_setting_touches_only_the_students_that_have_the_term() -> None:
    assert changed(student__rep_weight=0.1) == {"student.rep.k6", "student.both.k6"}
    assert changed(student__pred_distance="kl_bernoulli") == {"student.pred.k6", "student.both.k6"}
    assert changed(student__rep__rep_weight=0.1) == {"student.rep.k6"}


def test_what_an_online_or_parallel_student_reads_follows_its_setting() -> None:
    assert set(graph()["student.both.k6.s0"].reads) == {"dump", "ingest"}
    assert set(graph(student__targets="online-train")["student.both.k6.s0"].reads) == {"teacher", "ingest"}
    assert set(graph(student__regime="parallel")["student.both.k6.s0"].reads) == {"ingest"}
    assert set(graph(student__targets="online")["student.alone.k6.s0"].reads) == {"ingest"}


def test_the_declaration_imports_no_torch() -> None:
    code = "import sys, systems.fewerframes; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
