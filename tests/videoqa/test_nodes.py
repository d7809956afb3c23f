"""The graph of the system: which nodes, what they read, and which setting touches which."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from systems import videoqa
from tests import settings

graph, changed = partial(settings.graph, videoqa.nodes), partial(settings.changed, videoqa.nodes)


def test_every_seed_has_its_networks_and_its_evaluation() -> None:
    found = graph()
    each = ["teacher", "dump", "student.kd", "student.alone", "student.question", "evaluate"]
    assert set(found) == {f"{name}.s{seed}" for name in each for seed in (0, 1)} | {"timing"}
    assert {found[f"{name}.s1"].params.seed for name in each if name not in ("dump", "evaluate")} == {1}


def test_the_defaults_are_the_published_settings() -> None:
    teacher, student = graph()["teacher.s0"].params, graph()["student.kd.s0"].params
    assert (teacher.graph_layers, student.graph_layers) == (4, 1)
    for params in (teacher, student):
        assert (params.lr, params.batch_size, params.epochs, params.lr_steps, params.lr_decay) == (1e-4, 256, 25, (10, 20), 0.5)
        assert (params.clip, params.module_dim, params.unit_layers, params.alpha, params.beta) == (12.0, 768, 1, 100.0, 1e-6)
    assert (student.kd_alpha, student.kd_beta, student.t_app, student.t_mo) == (1.0, 1.0, 1.0, 1.0)


def test_a_distillation_setting_touches_only_the_distilled_student() -> None:
    for values in ({"student__kd_alpha": 2.0}, {"student__t_mo": 4.0}, {"student__kd_reduction": "fixed"}):
        assert changed(**values) == {"student.kd.s0", "student.kd.s1"}


def test_a_training_setting_of_students_touches_all_students() -> None:
    assert {name.rpartition(".")[0] for name in changed(student__epochs=7)} == {"student.kd", "student.alone", "student.question"}


def test_only_what_is_distilled_reads_the_dump() -> None:
    found = graph()
    assert {name for name, node in found.items() if "dump" in node.reads} == {"student.kd.s0", "student.kd.s1"}
    assert "teacher" not in found["student.kd.s0"].reads


def test_online_targets_read_the_teacher_in_place_of_the_dump() -> None:
    reads = graph(student__targets="online")["student.kd.s1"].reads
    assert reads["teacher"] == "teacher.s1"
    assert "dump" not in reads


def test_settings_of_memory_are_not_in_the_key() -> None:
    assert changed(teacher__memory_gb=99.0, student__memory_gb=0.0) == set()


def test_declaring_the_graph_imports_no_heavy_library() -> None:
    code = (
        "import sys, systems.videoqa, stages.report; print(sorted({'torch', 'h5py', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"
