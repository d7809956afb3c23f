"""The graph of xkd: which nodes there are, what they read, and which of them a setting changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.errors import ConfigError, DataError
from cache.json_files import write_json, write_lines
from cache.stage import Node
from pipeline.config import Config, names
from pipeline.graph import build, check_index, check_possible
from systems.xkd import nodes
from systems.xkd.params import ALL
from tests.settings import changed, graph

BOTH = {"frames": "sample.frames", "sound": "sample.audio"}


def test_the_nodes_of_a_seed() -> None:
    made = graph(nodes)
    expected = {f"{stage}.{variant}.s0" for stage in ("pretrain", "encode", "svm") for variant in ALL}
    assert {name for name in made if name.endswith(".s0")} == expected | {"evaluate.s0"}
    assert made["pretrain.full.s0"].reads == {"index": "index", **BOTH}
    assert made["pretrain.random.s0"].reads == {}
    assert made["encode.kd.s1"].reads == {"index": "index", "pretrain": "pretrain.kd.s1", **BOTH}
    assert made["svm.kd.s1"].reads == {"index": "index", "features": "encode.kd.s1"}
    assert set(made["evaluate.s0"].reads) == {"index", *(f"{stage}.{variant}" for stage in ("pretrain", "svm") for variant in ALL)}
    assert set(made["timing"].reads.values()) == {f"pretrain.{variant}.s0" for variant in ALL}


def test_one_modality_reads_its_own_sample_and_pretraining_both() -> None:
    made = graph(nodes, graph__modalities=("audio",), graph__protocols=("svm", "linear", "finetune"))
    assert made["encode.full.s0"].reads == {"index": "index", "pretrain": "pretrain.full.s0", "sound": "sample.audio"}
    assert made["pretrain.full.s0"].reads == {"index": "index", **BOTH}
    assert made["linear.audio.full.s0"].reads == made["finetune.audio.full.s0"].reads == made["encode.full.s0"].reads
    assert "linear.video.full.s0" not in made


def test_every_fold_has_its_own_training_and_encoders_that_are_given_do_not() -> None:
    own = {"graph__folds": (1, 2), "graph__variants": ("full", "random")}
    made = graph(nodes, **own)
    assert made["pretrain.full.f2.s0"].params.split == "2/train"
    assert made["encode.full.f2.s0"].reads["pretrain"] == "pretrain.full.f2.s0"
    assert made["encode.random.f2.s0"].reads["pretrain"] == "pretrain.random.s0"
    assert (made["encode.random.f2.s0"].params.train, made["encode.random.f2.s0"].params.test) == ("2/train", "2/test")
    assert made["evaluate.f2.s0"].params.fold == "2"
    taken = graph(nodes, **own, pretrain__full__checkpoint="x")
    assert taken["pretrain.full.s0"].reads == {} and taken["encode.full.f2.s0"].reads["pretrain"] == "pretrain.full.s0"
    one = graph(nodes, graph__folds=(1,))
    assert one["pretrain.full.s0"].params.split == "1/train" and one["evaluate.s0"].params.fold == "1"


@pytest.mark.parametrize(
    ("settings", "stale"),
    [
        ({"pretrain__distil": 2.0}, {"pretrain.full", "pretrain.kd"}),
        ({"pretrain__align": 2.0}, {"pretrain.full", "pretrain.align"}),
        ({"pretrain__full__reconstruct": 1.0}, {"pretrain.full"}),
        ({"pretrain__mmd": "own"}, {"pretrain.full", "pretrain.align"}),
        ({"pretrain__teacher_view": "index1"}, {"pretrain.full", "pretrain.kd", "pretrain.align"}),
        ({"pretrain__epochs": 3}, {f"pretrain.{variant}" for variant in ALL[:-1]}),
        ({"pretrain__width": 96}, {f"pretrain.{variant}" for variant in ALL}),
        ({"pretrain__cache_mb": 1.0}, set()),
        ({"encode__train_clips": 3}, {f"encode.{variant}" for variant in ALL}),
        ({"svm__cost": 3.0}, set()),  # the cost is chosen
        ({"svm__selection": "fixed", "svm__cost": 3.0}, {f"svm.{variant}" for variant in ALL}),
        ({"tune__epochs": 3}, set()),
    ],
)
def test_a_setting_changes_the_nodes_that_it_is_for(settings: dict, stale: set[str]) -> None:
    assert {name.rpartition(".s")[0] for name in changed(nodes, **settings)} == stale


def possible(*settings: str, dataset: str = "tinyav") -> None:
    made = build(Config(dataset, "xkd", settings))
    check_possible("xkd", made.nodes)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("pretrain.size=100",), "size = 100 is no multiple of patch = 16"),
        (("pretrain.heads=5",), "width = 24 is no multiple of heads = 5"),
        (("pretrain.hop=500",), "33 columns, no multiple of patch_columns = 8"),
        (("pretrain.local_frames=12",), "local clips have 12 frames, and clips 8"),
        (("pretrain.fps=4", "pretrain.hop=1003"), r"pretrain.full.fps = 4, and sample.frames keeps 8 a second"),
        (("sample.audio.audio_rate=8000",), "rate = 16000, and sample.audio keeps 8000 a second"),
        (("pretrain.teacher_view=index1", "pretrain.local_audio_views=0"), "teachers see the first local view, and there is none"),
        (("pretrain.video_temperature=[0.1]",), "video_temperature is two numbers"),
        (("pretrain.kd.checkpoint=x",), "a file does not say what it learnt from"),
        (("pretrain.full.video_checkpoint=x",), "encode.full asks for the encoder of audio"),
    ],
)
def test_what_cannot_go_together_is_said_before_anything_runs(settings: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        possible(*settings)


def test_what_the_index_does_not_have_is_refused_before_the_first_training(tmp_path: Path) -> None:
    def look(*settings: str, several: bool = False) -> None:
        ids = {f"{label} {split}": (label, split) for split in ("train", "test") for label in ("bow", "kick")}
        write_lines(tmp_path / "media.jsonl", [{"id": id, "splits": [split]} for id, (_, split) in ids.items()])
        said = [{"video_id": id, "classes": ["bow", "kick"] if several else [label]} for id, (label, _) in ids.items()]
        write_lines(tmp_path / "annotations.jsonl", said)
        write_json(tmp_path / "dataset.json", {"name": "moves"})
        check_index("xkd", build(Config("tinyav", "xkd", ("graph.test=test", *settings))).nodes, tmp_path)

    look()
    look("graph.protocols=[linear]", several=True)
    with pytest.raises(ConfigError, match="no files of the split val"):
        look("graph.test=val")
    with pytest.raises(DataError, match="the SVM tells single ones apart"):
        look("graph.protocols=[svm]", several=True)


def recipes() -> Iterator[str]:
    yield from (name.removeprefix("xkd.") for name in names("systems") if name.startswith("xkd."))
    yield from ("tinyav", "avworld", "kinetics-sound", "kinetics-av", "ucf101", "hmdb51", "esc50", "fsd50k")


@pytest.mark.parametrize("dataset", sorted({name for name in recipes() if name in names("datasets")}))
def test_every_recipe_is_possible(dataset: str) -> None:
    given = {"ucf101": "video", "hmdb51": "video", "esc50": "audio", "fsd50k": "audio"}.get(dataset)
    possible(*([f"pretrain.full.{given}_checkpoint=x"] if given else []), dataset=dataset)


def nodes_of(dataset: str) -> dict[str, Node]:
    return build(Config(dataset, "xkd", ())).nodes


def test_the_recipes_say_what_is_scored() -> None:
    assert {"encode.full.f3.s0", "finetune.video.full.f3.s0", "evaluate.f3.s2"} <= nodes_of("ucf101").keys()
    assert {"svm.full.f5.s0", "finetune.audio.full.f5.s0"} <= nodes_of("esc50").keys()
    assert nodes_of("kinetics-sound")["encode.full.s0"].params.test == "val"
