"""What cannot matter is refused when it is typed, and passed over when it stands in a file of defaults: keys stay, files are not needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cache.errors import ConfigError, DataError
from cache.store import Store
from pipeline import paths, ready
from pipeline.cli import cli
from pipeline.config import Config
from pipeline.graph import Graph, build, check_possible
from pipeline.judge import Judge, plain_params

APPEARANCE, MOTION = "extract.appearance", "extract.motion"
IMPORTED = {"kind": "motion", "sha256": "0" * 64, "file": "a.h5", "when": "then"}


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "local_config", lambda: tmp_path / "kdpipe.local.yaml")
    monkeypatch.setenv("KDPIPE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("KDPIPE_DEVICE", "cpu")
    return tmp_path / "kdpipe.local.yaml"


def graph(*settings: str, dataset: str = "world", system: str = "videoqa", **options: Any) -> Graph:
    return build(Config(dataset, system, settings, **options))


def keyed(made: Graph) -> dict[str, Any]:
    return {name: plain_params(node) for name, node in made.nodes.items()}


#: line of a file of defaults, or typed -> what is said of it when it is typed
WITHOUT_EFFECT: list[tuple[str, Sequence[str], str, str]] = [
    ("videoqa", [], f"{MOTION}.weights_file=hello", f"{MOTION}.weights is 'world'"),
    ("videoqa", [], "extract.weights_file=hello", f"{APPEARANCE}.weights is 'world'"),
    ("videoqa", [f"{MOTION}.weights=random"], f"{MOTION}.weights_file=hello", "weights is 'random'"),
    ("videoqa", [], "extract.random_seed=5", "weights is 'world'"),
    ("videoqa", [], "sample.quality=50", "sample.codec is 'utvideo'"),
    ("videoqa", [], "questions.glove_file=hello", "questions.glove is 'embedded'"),
    ("videoqa", ["teacher.lr_steps=[]"], "teacher.lr_decay=0.1", "teacher.lr_steps is ()"),
    ("videoqa", [], "student.alone.kd_alpha=3", "student.alone.kd is 'none'"),
    ("videoqa", ["teacher.lr_steps=[]", "student.lr_steps=[]"], "train.lr_decay=0.1", "teacher.lr_steps is ()"),
    ("videoqa", ["teacher.lr=0.5", "student.lr=0.5"], "train.lr=0.1", "teacher.lr is set too"),
    ("fewerframes", [], "train.cells=5", "teacher.network is 'nextvlad'"),
    ("videoqa", [], "student.alone.t_app=3", "student.alone.kd is 'none'"),
    ("videoqa", [], "student.question.targets=online", "student.question.kd is 'none'"),
    ("videoqa", [], "student.question.video_dropout=shared", "student.question.video is 'none'"),
    ("videoqa", ["student.kd.kd_logits=0"], "student.t_logits=3", "student.kd.kd_logits is 0.0"),
    ("videoqa", ["student.module_dim=128"], "student.kd_projection=linear", "teacher and student are both 128 wide"),
    ("videoqa", [], "ingest.rgb=5", "videoqa on world has no stage that reads it"),
    ("fewerframes", [], "sample.num_clips=5", "fewerframes on world8m has no stage that reads it"),
    ("fewerframes", ["teacher.normalisation=l2"], "teacher.eigenvalues=hello", "teacher.normalisation is 'l2'"),
    ("fewerframes", [], "teacher.cells=5", "teacher.network is 'nextvlad'"),
    ("fewerframes", [], "student.experts=5", "student.alone.classifier is 'logistic'"),
    ("fewerframes", ["teacher.checkpoint=m.index"], "teacher.epochs=3", "teacher.checkpoint is 'm.index'"),
    ("fewerframes", ["teacher.decay=1"], "teacher.decay_examples=3", "teacher.decay is 1.0"),
    ("fewerframes", [], "student.pred.rep_weight=3", "student.pred.rep is False"),
    ("fewerframes", [], "student.rep.pred_distance=sqerr", "student.rep.pred is False"),
    ("fewerframes", [], "student.alone.loss=paper", "student.alone.rep is False and student.alone.pred is False"),
    ("fewerframes", [], "student.teacher_blocks=5", "student.both.regime is 'serial'"),
    ("fewerframes", ["student.regime=parallel"], "student.targets=online", "student.both.regime is 'parallel'"),
    ("fewerframes", ["student.frames=steps"], "student.grid=padded", "student.alone.frames is 'steps'"),
]


@pytest.mark.parametrize(("system", "others", "setting", "says"), WITHOUT_EFFECT, ids=[case[2] for case in WITHOUT_EFFECT])
def test_an_option_without_effect_is_refused_when_typed(local: Path, system: str, others: list[str], setting: str, says: str) -> None:
    dataset = "world8m" if system == "fewerframes" else "world"
    with pytest.raises(ConfigError) as refused:
        graph(*others, setting, dataset=dataset, system=system)
    assert setting.partition("=")[0] in str(refused.value) and says in str(refused.value)


@pytest.mark.parametrize(("system", "others", "setting", "says"), WITHOUT_EFFECT, ids=[case[2] for case in WITHOUT_EFFECT])
def test_an_option_without_effect_in_a_file_changes_no_key(local: Path, system: str, others: list[str], setting: str, says: str) -> None:
    dataset = "world8m" if system == "fewerframes" else "world"
    before = keyed(graph(*others, dataset=dataset, system=system))
    local.write_text(setting.replace("=", ": ") + "\n")
    assert keyed(graph(*others, dataset=dataset, system=system)) == before


def test_the_readmes_lines_for_published_weights_need_no_file_where_shipped_ones_are_used(local: Path) -> None:
    before = keyed(graph())
    local.write_text(
        f"{APPEARANCE}.weights_file: /weights/resnet101-63fe2227.pth\n{MOTION}.weights_file: /weights/resnext-101-kinetics.pth\n"
    )
    made = graph()
    judge = Judge(Store(paths.store_root()), made)
    assert keyed(made) == before and not any(judge.files(node) for node in made.nodes.values())
    for verb in (("plan",), ("status",), ("plan", "report", "--make")):
        assert CliRunner().invoke(cli, [*verb, "--dataset", "tiny"]).exit_code == 0
    with pytest.raises(DataError, match="there is no such file") as refused:  # and where published ones are, each names its own
        judge = Judge(Store(paths.store_root()), published := graph(dataset="msvd"))
        judge.files(published.nodes[MOTION])
    assert refused.value.hint == f"set it with --set {MOTION}.weights_file=PATH"


def test_what_is_typed_and_counts_for_one_stage_of_several_is_taken(local: Path) -> None:
    nodes = graph("student.kd_alpha=3", f"{MOTION}.weights=random", "extract.random_seed=5").nodes
    assert (nodes["student.kd.s0"].params.kd_alpha, nodes["student.alone.s0"].params.kd_alpha) == (3.0, 1.0)
    assert (nodes[MOTION].params.random_seed, nodes[APPEARANCE].params.random_seed) == (5, 0)


def test_a_key_of_train_holds_for_teacher_and_students_unless_theirs_is_set_as_late_or_later(local: Path) -> None:
    def rates(*settings: str) -> list[float]:
        nodes = graph(*settings, dataset="msvd").nodes
        return [nodes[f"{name}.s0"].params.lr for name in ("teacher", "student.kd", "student.alone")]

    assert rates("train.lr=0.5") == [0.5, 0.5, 0.5]
    assert rates("student.lr=0.25", "student.kd.lr=0.125", "train.lr=0.5") == [0.5, 0.125, 0.25]
    local.write_text("student.lr: 0.25\nstudent.kd.lr: 0.125\ntrain.epochs: 3\n")
    assert rates() == [1e-4, 0.125, 0.25]
    assert rates("train.lr=0.5") == [0.5, 0.5, 0.5]
    nodes = graph("train.kd_alpha=7", dataset="msvd").nodes
    assert nodes["student.kd.s0"].params.kd_alpha == 7 and {nodes[f"{name}.s0"].params.epochs for name in ("teacher", "student.kd")} == {3}
    with pytest.raises(ConfigError, match=r"unknown key 'train\.ks'"):
        graph("train.ks=[3]", dataset="msvd")


def test_what_is_typed_and_overruled_wherever_it_holds_is_refused(local: Path) -> None:
    both = (f"{MOTION}.resize=pil", f"{APPEARANCE}.resize=pil")
    with pytest.raises(ConfigError, match=f"extract.resize can change nothing: {APPEARANCE}.resize is set too"):
        graph("extract.resize=torch", *both)
    assert graph("extract.resize=torch", both[0]).nodes[APPEARANCE].params.resize == "torch"


def test_options_of_an_extraction_are_refused_where_its_features_are_imported(local: Path) -> None:
    made = graph("extract.resize=torch", dataset="msvd", imports={"motion": IMPORTED})
    assert made.nodes[APPEARANCE].params.resize == "torch"
    for setting in (f"{MOTION}.resize=torch", f"{MOTION}.max_lost=0.1"):
        with pytest.raises(ConfigError, match="the motion features are imported"):
            graph(setting, dataset="msvd", imports={"motion": IMPORTED})
        graph(setting, "imports=ignore", dataset="msvd", imports={"motion": IMPORTED})


def test_what_is_typed_for_another_system_is_refused_and_passed_over_in_a_file(local: Path) -> None:
    with pytest.raises(ConfigError, match="meant for fewerframes, and this is videoqa"):
        graph("fewerframes.student.hidden=8")
    local.write_text("fewerframes.student.hidden: 8\nworld.seed: 5\n")
    assert keyed(graph(dataset="msvd")) and graph().nodes["world"].params.seed == 5
    local.write_text("student.hidden: 8\n")
    with pytest.raises(ConfigError, match="unknown key") as refused:
        graph()
    assert "fewerframes.KEY" in refused.value.hint


def test_a_number_may_not_be_more_than_another_that_bounds_it(local: Path) -> None:
    for setting in ("evaluate.ks=[113]", "student.finetune_epochs=13", "teacher.gating_reduction=257"):
        with pytest.raises(ConfigError, match="is more than"):
            graph(setting, dataset="world8m", system="fewerframes")
    graph("evaluate.ks=[112]", "student.finetune_epochs=12", "teacher.gating_reduction=256", dataset="world8m", system="fewerframes")


#: system, settings that cannot go together -> what is said
IMPOSSIBLE: list[tuple[str, Sequence[str], str]] = [
    ("videoqa", ["student.kd.kd_projection=none"], "module_dim = 48, and teacher.module_dim = 128"),
    ("videoqa", ["sample.policy=rate"], "sample.policy = rate: every video must have equally many frames"),
    ("videoqa", ["sample.policy=audio"], "sample.policy = audio"),
    ("fewerframes", ["teacher.processes=7"], "teacher: batch_size = 40 does not divide among processes = 7"),
    ("fewerframes", ["student.processes=2", "student.drop_last=false"], "student.alone: with drop_last = false the last batch"),
    ("fewerframes", ["teacher.network=hlstm"], "teacher: 112 frames do not split into blocks = 20"),
    ("fewerframes", ["student.alone.network=hlstm", "evaluate.ks=[7]"], "student.alone: 7 frames do not split into blocks = 3"),
    ("fewerframes", ["student.rep.network=hlstm", "student.rep.regime=parallel"], "112 frames do not split into teacher_blocks = 20"),
    ("fewerframes", ["student.network=nextvlad-mix", "student.classifier=moe"], "student.alone: network = nextvlad-mix mixes the logits"),
    ("fewerframes", ["teacher.groups=5"], "teacher: 1024 features expanded by 0.25 are 256, which do not split into 5 groups"),
    ("fewerframes", ["ingest.audio=4", "teacher.groups=4"], "4 features expanded by 0.25 are 1, which do not split into 2 groups"),
    ("fewerframes", ["teacher.hidden=512"], "student.rep: a representation of hidden = 256 numbers is compared"),
    ("fewerframes", ["student.network=hlstm", "student.cells=32"], "student.rep: a representation of 4 cells = 128 numbers"),
]
POSSIBLE: list[tuple[str, Sequence[str]]] = [
    ("videoqa", ["student.module_dim=128"]),
    ("fewerframes", ["teacher.processes=8"]),
    ("fewerframes", ["teacher.network=hlstm", "teacher.blocks=16", "teacher.cells=64"]),
    ("fewerframes", ["student.network=hlstm", "student.cells=64"]),
    ("fewerframes", ["student.alone.network=hlstm", "student.frames=steps", "evaluate.ks=[4]", "student.alone.blocks=2"]),
    ("videoqa", ["sample.policy=even", "sample.num_frames=4"]),
    ("videoqa", ["sample.frames_per_clip=7"]),
    ("fewerframes", ["student.network=nextvlad-mix"]),
    ("fewerframes", ["teacher.classifier=moe"]),
    ("fewerframes", ["teacher.modalities=rgb", "student.modalities=rgb", "ingest.audio=3"]),
    ("fewerframes", ["student.pred.hidden=512"]),
    ("fewerframes", ["student.hidden=512", "student.regime=parallel"]),
]


@pytest.mark.parametrize(("system", "settings", "says"), IMPOSSIBLE, ids=[case[1][-1] for case in IMPOSSIBLE])
def test_what_cannot_go_together_is_said_before_anything_runs(local: Path, system: str, settings: Sequence[str], says: str) -> None:
    found = graph(*settings, dataset="world8m" if system == "fewerframes" else "world", system=system)
    with pytest.raises(ConfigError) as refused:
        check_possible(system, found.nodes)
    assert says in str(refused.value) and refused.value.hint


@pytest.mark.parametrize(("system", "settings"), POSSIBLE, ids=[case[1][-1] for case in POSSIBLE])
def test_what_can_go_together_is_taken(local: Path, system: str, settings: Sequence[str]) -> None:
    check_possible(system, graph(*settings, dataset="world8m" if system == "fewerframes" else "world", system=system).nodes)


#: system, dataset, settings that compute on no machine -> what is said, and what to type
UNFIT: list[tuple[str, str, Sequence[str], str, str]] = [
    ("videoqa", "tiny", [f"{MOTION}.precision=int8"], f"{MOTION}: runtime=eager does not compute in int8", f"{MOTION}.runtime=openvino"),
    ("videoqa", "tiny", ["extract.runtime=winograd", f"{MOTION}.precision=bfloat16"], f"{MOTION}: runtime=winograd computes in", "eager"),
    ("litemkd", "tinyactions", ["derive.skeleton.runtime=winograd", "derive.precision=float16"], "in float32, not in float16", "skeleton"),
    (
        "litemkd",
        "tinyactions",
        ["derive.skeleton.expert=keypointrcnn", "derive.skeleton.runtime=compile"],
        "keypointrcnn computes",
        "eager",
    ),
    (
        "litemkd",
        "tinyactions",
        ["derive.skeleton.expert=alphapose-fastpose50", "derive.skeleton.detector=ssdlite", "derive.skeleton.precision=bfloat16"],
        "derive.skeleton: ssdlite computes as its library does",
        "derive.skeleton.precision=float32",
    ),
    (
        "litemkd",
        "tinyactions",
        ["derive.skeleton.expert=rtmpose", "derive.skeleton.weights=random"],
        "has no random weights",
        "weights_file",
    ),
]
#: of a dataset that holds no sound, nothing that needs one is a target
ASKED = [(system, "world8m" if system == "fewerframes" else "world", given, says, "") for system, given, says in IMPOSSIBLE]
ASKED = [*(case for case in ASKED if case[2] != ["sample.policy=audio"]), *UNFIT]


@pytest.mark.parametrize(("system", "dataset", "settings", "says", "typed"), ASKED, ids=[case[2][-1] for case in ASKED])
def test_plan_refuses_what_run_refuses_in_the_same_words(
    local: Path, system: str, dataset: str, settings: Sequence[str], says: str, typed: str
) -> None:
    words = ["--dataset", dataset, "--system", system, *(word for setting in settings for word in ("--set", setting))]
    verbs = (["plan"], ["plan", "--json"], ["plan", "report", "--make"], ["run", "report", "--dry-run"], ["run", "report"])
    refused = [CliRunner().invoke(cli, [*verb, *words]) for verb in verbs]
    assert all(isinstance(one.exception, ConfigError) for one in refused) and len({str(one.exception) for one in refused}) == 1
    assert says in str(refused[0].exception) and typed in refused[0].exception.hint and not refused[0].stdout
    told = CliRunner().invoke(cli, ["status", *words])
    assert told.exit_code == 0 and "report" in told.stdout and told.stderr == f"note: {refused[0].exception}\n"
    why = CliRunner().invoke(cli, ["why", "report", *words])
    assert why.exit_code == 0 and why.stderr == told.stderr


def test_who_looks_at_a_stage_is_told_of_its_own_settings_only(local: Path) -> None:
    for verb in (["status", "teacher"], ["why", "teacher.s0"], ["plan", "teacher"]):
        done = CliRunner().invoke(cli, [*verb, "--dataset", "world", "--set", "student.kd.kd_projection=none"])
        assert done.exit_code == 0 and not done.stderr


def test_a_teacher_is_trained_alone_whatever_its_students_are_like(local: Path) -> None:
    found = graph("teacher.module_dim=48", "student.kd.kd_projection=none", "student.module_dim=32")
    check_possible("videoqa", {node.name: node for node in found.closure(["teacher.s0"])})
    with pytest.raises(ConfigError, match=r"teacher\.module_dim = 48"):
        check_possible("videoqa", {node.name: node for node in found.closure(["student.kd.s0"])})


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("questions.glove=file", "questions.glove_file=PATH"),
        (f"{MOTION}.weights=file", f"{MOTION}.weights_file=PATH"),
        ("sample.decode=torchcodec", "kdpipe[torchcodec]"),
        (f"{MOTION}.runtime=openvino", "kdpipe[openvino]"),
    ],
)
@pytest.mark.parametrize("verb", ["plan --make", "run report"])
def test_a_file_that_is_not_named_and_a_package_that_is_not_here_are_said_before_anything_runs(
    local: Path, monkeypatch: pytest.MonkeyPatch, setting: str, says: str, verb: str
) -> None:
    monkeypatch.setattr(ready, "find_spec", lambda name: None)
    done = CliRunner().invoke(cli, [*verb.split(), "--dataset", "tiny", "--set", setting])
    assert isinstance(done.exception, ConfigError) and says in done.exception.hint


@pytest.mark.parametrize("verb", ["plan", "run report --dry-run"])
def test_who_asks_what_would_run_is_shown_it_and_told_what_is_lacking(local: Path, verb: str) -> None:
    done = CliRunner().invoke(cli, [*verb.split(), "--dataset", "tiny", "--set", "questions.glove=file"])
    assert done.exit_code == 0 and "student.kd.s0" in done.stdout
    assert done.stderr.startswith("note: ") and "questions.glove_file=PATH" in done.stderr


def test_a_node_knows_the_section_of_its_parameters(local: Path) -> None:
    config = graph().config
    found = {node: config.section(node) for node in ("teacher.s0", "student.kd.s1", MOTION, "evaluate.s2", "report")}
    assert found == {"teacher.s0": "teacher", "student.kd.s1": "student.kd", MOTION: MOTION, "evaluate.s2": "evaluate", "report": "report"}


def test_an_unknown_key_shows_the_nearest_three(local: Path) -> None:
    for key in ("student.kd_alhpa", "zzz", "x" * 100_000):
        with pytest.raises(ConfigError, match="unknown key") as refused:
            graph(f"{key}=1")
        assert len(str(refused.value)) < 400 and refused.value.hint.count(", ") <= 3
    with pytest.raises(ConfigError, match=r"did you mean 'student.kd_alpha', '.*' or '.*'\?"):
        graph("student.kd_alhpa=1")


@pytest.mark.parametrize("path", ["~nobody/x.pth", "/nowhere/x.pth", "a" * 3000, "/dev/null", "/"])
@pytest.mark.parametrize("verb", ["plan --make", "why extract.motion"])
def test_a_file_that_is_none_is_named_with_the_key_of_its_stage_alone(local: Path, path: str, verb: str) -> None:
    done = CliRunner().invoke(
        cli, [*verb.split(), "--dataset", "tiny", "--set", f"{MOTION}.weights=file", "--set", f"{MOTION}.weights_file={path}"]
    )
    assert isinstance(done.exception, DataError) and "there is no such file" in str(done.exception)
    assert done.exception.hint == f"set it with --set {MOTION}.weights_file=PATH"
