"""The graph of the system: which nodes, what they read, and which setting touches which."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cache.errors import ConfigError
from cache.fingerprint import Fingerprint
from cache.option import settled
from cache.stage import Node
from systems.litemkd import (
    DUMP,
    EXPERT,
    FUSE,
    KINDS,
    STUDENT,
    STUDENTS,
    TEACHER,
    VARIANTS,
    DumpParams,
    ExpertParams,
    FuseParams,
    StudentParams,
    TeacherParams,
    nodes,
    possible,
    switches,
)
from systems.litemkd.chosen import HEADS as FITTING
from systems.litemkd.chosen import TAUGHT, chosen
from systems.litemkd.switches import EXPERT as EXPERT_RECIPE
from systems.litemkd.switches import PRESETS
from systems.litemkd.switches import STUDENT as STUDENT_RECIPE
from systems.litemkd.switches import TEACHER as TEACHER_RECIPE
from tests import settings
from tests.command import PROJECT

graph = partial(settings.graph, nodes)


def changed(**values: Any) -> set[str]:
    """As of :mod:`tests.settings`, without the seeds."""
    return {name.rpartition(".s")[0] or name for name in settings.changed(nodes, **values)}


def test_every_seed_has_its_experts_dumps_teacher_and_students() -> None:
    found = graph()
    own = {f"{stage}.{modality}" for stage in ("expert", "dump") for modality in ("rgb", "depth", "flow")}
    own |= {"teacher", "dump.fused", "evaluate", *(f"student.{variant}" for variant in STUDENTS)}
    assert set(found) == {f"{name}.s{seed}" for name in own for seed in (0, 1)} | {"timing"}
    assert found["teacher.s1"].reads == {"index": "index", "rgb": "dump.rgb.s1", "depth": "dump.depth.s1", "flow": "dump.flow.s1"}
    assert found["teacher.s1"].params.modalities == ("rgb", "depth", "flow") and found["expert.flow.s1"].params.seed == 1
    assert found["expert.flow.s0"].reads["frames"] == "derive.flow" and found["expert.rgb.s0"].reads["frames"] == "sample"


def test_a_student_reads_what_it_learns_from_and_nothing_else() -> None:
    found = graph()
    assert found["student.kd.s0"].reads == {"index": "index", "frames": "sample", "features": "dump.fused.s0", "teacher": "teacher.s0"}
    assert found["student.rgb.s0"].reads == {"index": "index", "frames": "sample", "features": "dump.rgb.s0", "teacher": "expert.rgb.s0"}
    assert found["student.alone.s0"].reads == {"index": "index", "frames": "sample"}
    assert "teacher" not in graph(student__teacher_head="random")["student.kd.s0"].reads
    assert "teacher" not in graph(train__preset="released")["student.kd.s0"].reads


@pytest.mark.parametrize("section", ["teacher", "student.kd", "expert.rgb"])
def test_what_is_taken_from_a_checkpoint_reads_nothing(section: str) -> None:
    assert graph(**{f"{section.replace('.', '__')}__checkpoint": "there.pt"})[f"{section}.s0"].reads == {}


def test_a_setting_touches_what_it_can_change() -> None:
    assert changed(student__temperature=2.0) == {"student.kd", "student.rgb"}
    assert changed(student__kd__objective="fc_2_sup_dist") == {"student.kd"}
    assert changed(expert__flow__lr=1e-3) == {"expert.flow"}
    assert changed(dump__fused__flow_dump="none") == {"dump.fused"}
    assert changed(teacher__layers=1) == {"teacher"}
    assert changed(expert__kind="baseline") == {"expert.rgb", "expert.depth", "expert.flow"}
    assert changed(expert__depth__backbone="small2d") == {"expert.depth", "dump.depth", "timing"}


def test_rows_of_a_dump_stand_for_frames_and_never_for_a_network() -> None:
    """A row is found by what it is named after; every other input is in the key of the set, so another expert has other rows."""
    found = graph()
    assert set(found["dump.rgb.s0"].reads) - set(DUMP.items) == {"expert"}
    assert set(found["dump.fused.s0"].reads) - set(FUSE.items) == {"teacher"}


def test_the_defaults_are_the_published_recipe() -> None:
    for record, recipe in ((ExpertParams(), EXPERT_RECIPE), (TeacherParams(), TEACHER_RECIPE), (StudentParams(), STUDENT_RECIPE)):
        told = {**recipe, "backbone": recipe.get("network")}
        left = {"network", "lr", "variant", "shape", "head", "objective", "dim"}  # what follows from other settings, or is another's
        names = {name for name in told if hasattr(record, name)} - left
        assert {name: getattr(record, name) for name in names} == {name: told[name] for name in names} and len(names) > 12
        assert record.lr == 1e-4
    assert TeacherParams().chosen == TEACHER_RECIPE["variant"] and StudentParams().dim == STUDENT_RECIPE["dim"]
    for preset, recipe in PRESETS.items():
        own = recipe["student"]
        assert chosen(StudentParams(preset=preset, learns_from="fused")) == (own["shape"], own["head"], own["objective"])


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_a_switch_has_the_value_of_the_preset_unless_it_is_set(preset: str) -> None:
    known = PRESETS[preset]["switches"]
    met = set()
    for cls in (ExpertParams, TeacherParams, StudentParams, DumpParams, FuseParams):
        found = switches.settings(cls(preset=preset))
        assert found == {name: known[name] for name in found}
        met |= set(found)
    assert met == set(known)
    assert StudentParams(preset=preset, teacher_head="random").switch("teacher_head") == "random"


def test_the_names_of_the_records_are_those_of_the_tables() -> None:
    from systems.litemkd import kinds, mfm, single

    assert set(KINDS) == set(single.KINDS)
    fused = {name: variant.modalities for name, variant in mfm.VARIANTS.items()}
    assert {name: fused[name] for name in VARIANTS} == possible.FUSED
    assert set(fused) - set(VARIANTS) == {"five"}  # only four modalities can be derived
    assert set(TAUGHT) | {"strm-two"} == set(kinds.HEADS) and set(FITTING) == set(kinds.SHAPES)


def node(params: Any, name: str) -> dict[str, Node]:
    stage = {"expert": EXPERT, "teacher": TEACHER, "student": STUDENT}[name.partition(".")[0]]
    reads = {} if getattr(params, "learns_from", "none") == "none" else {"features": "dump", "teacher": "teacher"}
    return {name: Node(f"{name}.s0", stage, settled(params), reads)}


def test_what_goes_together_is_possible() -> None:
    for params in (StudentParams(), StudentParams(learns_from="fused"), StudentParams(shape="d2m"), StudentParams(shape="strm")):
        possible.check(node(params, "student.kd"))
    possible.check(node(TeacherParams(modalities=("rgb", "flow")), "teacher"))
    possible.check(node(ExpertParams(), "expert.rgb"))


@pytest.mark.parametrize(
    ("params", "name", "message"),
    [
        (TeacherParams(variant="four"), "teacher", "teacher.variant = four fuses 4 modalities, and there are 3"),
        (TeacherParams(record_every=100), "teacher", "record_every = 100 is no multiple of accumulate = 16"),
        (TeacherParams(accumulate=1, preset="released"), "teacher", "steps of one episode"),
        (ExpertParams(kind="strm", trunk="frozen"), "expert.rgb", "STRM learns within what a frozen trunk computes once"),
        (ExpertParams(weights="random", trunk="frozen"), "expert.rgb", "a frozen trunk of random weights"),
        (ExpertParams(backbone="resnext101"), "expert.rgb", "makes motion features"),
        (StudentParams(learns_from="fused", shape="plain", head="d2m"), "student.kd", "compares the feature 'second'"),
        (StudentParams(objective="KD"), "student.alone", "objective = KD: there is no teacher that gives 'kl'"),
        (StudentParams(learns_from="rgb", objective="ce"), "student.rgb", "the student's head does not give 'logits'"),
        (StudentParams(learns_from="rgb", objective="support_sim", shape="plain"), "student.rgb", "does not give 'query'"),
        (StudentParams(shape="strm-d2m"), "student.alone", "a student with head = strm-d2m has no objective of its own without a teacher"),
    ],
)
def test_what_cannot_go_together_is_said_before_anything_runs(params: Any, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        possible.check(node(params, name))


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (TeacherParams(cardinalities=(3,)), "learns with the head of teacher, which has no cross-transformer of pairs"),
        (TeacherParams(variant="shift-otam"), "learns with the head of teacher, which has no cross-transformer of pairs"),
        (TeacherParams(frames=4), "sees 8 frames of a video, teacher 4"),
    ],
)
def test_a_student_and_its_teacher_fit_before_the_teacher_is_trained(teacher: TeacherParams, message: str) -> None:
    student = Node(
        "student.kd.s0", STUDENT, settled(StudentParams(learns_from="fused")), {"features": "dump.fused.s0", "teacher": "teacher.s0"}
    )
    nodes = {"student.kd.s0": student, "teacher.s0": Node("teacher.s0", TEACHER, settled(teacher), {})}
    with pytest.raises(ConfigError, match=message):
        possible.check(nodes)


def test_what_an_evaluation_is_given_is_no_part_of_a_trainings_code(tmp_path: Path) -> None:
    for package in ("cache", "formats", "media", "models", "stages", "systems", "world"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))

    def digests(stage: str) -> dict[str, str]:
        return {name: module.digest for name, module in Fingerprint(tmp_path).closure(f"systems.litemkd.{stage}").items()}

    before = {stage: digests(stage) for stage in ("expert", "teacher", "student", "evaluate")}
    file = tmp_path / "systems" / "litemkd" / "__init__.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("episodes, the same for every network", "episodes: the same for every network"), encoding="utf-8")
    assert file.read_text(encoding="utf-8") != text
    assert {stage: digests(stage) for stage in before} == before


def test_the_declaration_imports_no_torch() -> None:
    code = "import sys, systems.litemkd, systems.litemkd.possible; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
