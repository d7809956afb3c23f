"""Experts, dumps, teacher and students on a few clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cache.errors import ConfigError, DataError
from cache.items import ItemSet
from systems.litemkd.clips import Clips
from systems.litemkd.dumped import Dumped, write
from systems.litemkd.seen import At, Frozen, Look, Pictures
from systems.litemkd.single import Single
from systems.litemkd.trained import read
from tests.litemkd.conftest import CLASSES, FRAMES, VIDEOS, Bench, Chain, frames, write_clips, write_frames, write_index

COUNT = VIDEOS * sum(map(len, CLASSES.values()))


def curves(directory: Path) -> list[dict]:
    return [json.loads(line) for line in (directory / "curves.jsonl").read_text().splitlines()]


def weights(directory: Path) -> bytes:
    return (directory / "model.safetensors").read_bytes()


def test_an_expert_learns_and_says_what_it_sees(bench: Bench) -> None:
    made = bench.expert(episodes=32, record_every=16, lr=1e-2, optimiser="adam")
    losses = [record["train_ce.logits"] for record in curves(made)]
    assert losses[-1] < 0.9 * losses[0]
    network, about = read(made)
    assert Look.of_trained(about) == Look(14, FRAMES, "none")
    assert about["videos"]["train"] == {"videos": 20, "classes": 4, "missing": 0, "classes_left_out": []}
    assert about["switches"]["first_step"] == "full" and not network.training


def test_the_dump_has_every_few_shot_video_and_the_features_of_the_middle(chain: Chain) -> None:
    dump = Dumped(chain.dumps["rgb"])
    assert dump.ids == list(chain.bench.videos) and (dump.frames, dump.width) == (FRAMES, 128)
    network, about = read(chain.experts["rgb"])
    look, artifact = Look.of_trained(about), chain.bench.root / "rgb"
    clips = Clips(artifact, ItemSet(artifact / "items", writable=False), frames=FRAMES)
    seen = torch.from_numpy(np.stack([look.of(clips, id) for id in ("jay1", "ant0")]))
    assert torch.allclose(dump.features(["jay1", "ant0"]), network.features(look.input(seen, "cpu")), atol=1e-5)


def test_features_are_found_by_id(chain: Chain) -> None:
    dump = Dumped(chain.fused)
    both = dump.features(["fox2", "bee1"])
    assert torch.equal(both[1], dump.features(["bee1"])[0]) and not torch.equal(both[0], both[1])
    with pytest.raises(KeyError):
        dump.features(["nobody"])


def test_ten_more_videos_compute_ten_and_equal_those_of_a_cold_run(bench: Bench) -> None:
    expert = bench.expert()
    before = bench.dump(expert)
    whole = dict(bench.videos)
    bench.videos |= {f"ant{number}": ("train", "ant") for number in range(VIDEOS, VIDEOS + 10)}
    write_index(bench)
    write_clips(bench, "rgb")
    again = bench.dump(expert, "again", rows="dump.rgb")
    assert before.items is not None and before.items.appended == len(whole)
    assert again.items is not None and again.items.appended == 10
    cold = bench.dump(expert, "cold")
    assert (cold.out / "features.h5").read_bytes() == (again.out / "features.h5").read_bytes()
    assert Dumped(cold.out).ids == list(bench.videos)  # in the order of the index


def test_a_dump_of_random_views_depends_on_the_frames_alone(chain: Chain) -> None:
    bench, expert = chain.bench, chain.experts["rgb"]
    one, same = (bench.dump(expert, name, dump_view="random") for name in ("random1", "random2"))
    assert (one.out / "features.h5").read_bytes() == (same.out / "features.h5").read_bytes()
    assert not torch.equal(Dumped(one.out).features(["ant0"]), Dumped(chain.dumps["rgb"]).features(["ant0"]))


def test_the_fused_dump_is_what_the_teacher_fuses(chain: Chain) -> None:
    network, about = read(chain.teacher)
    features = [Dumped(chain.dumps[modality]).features(["gnu0"]) for modality in ("rgb", "depth")]
    assert about["arguments"]["variant"] == "two"
    assert torch.allclose(Dumped(chain.fused).features(["gnu0"]), network.fuse(features, "dump"), atol=1e-5)


def test_a_missing_video_costs_itself_and_shifts_no_pair(bench: Bench) -> None:
    experts = {modality: bench.expert(f"expert.{modality}", modality) for modality in ("rgb", "depth")}
    whole = {modality: bench.dump(made, f"dump.{modality}", modality) for modality, made in experts.items()}
    lines = frames(bench.root / "depth")
    write_frames(bench.root / "depth", [line if line["id"] != "bee2" else {**line, "count": 3} for line in lines if line["id"] != "ant1"])
    less = bench.dump(experts["depth"], "less", "depth")
    assert [e.reason for e in less.ledger.sorted() if e.state != "ok"] == [
        "in no episode: an earlier stage lost it",
        "in no episode: it has 3 frames, and 4 are needed",
    ]
    dumps = {"rgb": whole["rgb"].out, "depth": less.out}
    teacher = bench.teacher(dumps)
    assert read(teacher)[1]["videos"]["train"]["missing"] == 2
    fused = bench.fuse(teacher, dumps)
    ids = set(bench.videos) - {"ant1", "bee2"}
    assert set(Dumped(fused.out).ids) == ids and fused.items is not None and fused.items.appended == len(ids)
    both = [Dumped(path).features(["bee3"]) for path in dumps.values()]
    assert torch.allclose(Dumped(fused.out).features(["bee3"]), read(teacher)[0].fuse(both, "dump"), atol=1e-5)


def test_a_teacher_of_widths_that_differ_is_refused(chain: Chain) -> None:
    ids = list(chain.bench.videos)
    dump = chain.bench.root / "wide"
    dump.mkdir()
    write(dump, [(id, "", "") for id in ids], (np.zeros((FRAMES, 512), np.float32) for _ in ids), FRAMES, 512, {})
    with pytest.raises(ConfigError, match="rgb 4 x 128, depth 4 x 512"):
        chain.bench.teacher({"rgb": chain.dumps["rgb"], "depth": dump}, "mixed")


@pytest.mark.parametrize("by", ["fused", "rgb"])
def test_a_distilled_student_learns_from_the_teacher_and_the_labels(chain: Chain, by: str) -> None:
    made = chain.bench.student(chain.taught(by), f"student.{by}", learns_from=by)
    last = curves(made)[-1]
    assert {"train_kd.kl", "train_r.sup", "train_h.ce", "train_h.kl", "train_accuracy"} <= set(last)
    network, about = read(made)
    assert about["objective"] == "fc_2_sup_dist_cece" and about["learns_from"] == by
    clips = torch.zeros(6, FRAMES, 3, 14, 14)
    assert network(clips, torch.arange(3).repeat(2), clips[:2])["sup"].shape == (3, 2)


def test_a_student_alone_reads_no_teacher_and_learns_the_labels(chain: Chain) -> None:
    made = chain.bench.student(name="student.alone1")
    assert {name for name in curves(made)[-1] if name.startswith("train_")} == {"train_loss", "train_h.logits", "train_accuracy"}
    assert read(made)[1]["objective"] == "ce"
    both = chain.bench.student(name="student.alone2", shape="d2m")
    assert read(both)[1]["objective"] == "cece"


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "KL_feature", "shape": "plain", "head": "trx", "dim": 128},
        {"objective": "support_sim", "shape": "plain", "head": "trx-prototypes"},
        {"objective": "fc_2_sup_dist", "shape": "pooled-d2m", "head": "distance-d2m"},
        {"objective": "strm_fc_2_sup_dist", "shape": "strm-d2m"},
        {"objective": "wsl", "shape": "bare"},
        {"preset": "released"},
    ],
)
def test_objectives_and_heads_go_through_the_stage(chain: Chain, changes: dict[str, object]) -> None:
    name = f"student.{changes.get('objective', 'released')}"
    made = chain.bench.student(chain.taught(), name, learns_from="fused", episodes=2, **changes)
    assert np.isfinite(curves(made)[-1]["train_loss"])


def test_features_of_another_width_cannot_be_learnt_number_by_number(chain: Chain) -> None:
    with pytest.raises(ConfigError, match="16 wide, the teacher's 128"):
        chain.bench.student(chain.taught(), "narrow", learns_from="fused", objective="KL_feature", shape="plain")


def test_the_frozen_head_is_the_teachers_or_random_and_a_switch_says_which(chain: Chain) -> None:
    from systems.litemkd import StudentParams
    from systems.litemkd.kinds import HEADS
    from systems.litemkd.targets import frozen_head

    features, kind = Dumped(chain.fused), HEADS["d2m"]
    state = read(chain.teacher)[0].bracnch.transformers[0].state_dict()
    head = frozen_head(StudentParams(), kind, features, chain.teacher)
    assert all(torch.equal(value, state[name]) for name, value in head.transformers.state_dict().items())
    before = torch.random.get_rng_state()
    one, same = (frozen_head(StudentParams(out_dim=12, seed=3), kind, features, None) for _ in range(2))
    assert torch.equal(one.transformers.k_linear.weight, same.transformers.k_linear.weight)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_teacher_without_a_cross_transformer_of_pairs_is_refused(chain: Chain) -> None:
    expert = chain.bench.expert("expert.baseline", kind="baseline", episodes=2)
    taught = {"features": chain.dumps["rgb"], "teacher": expert}
    with pytest.raises(ConfigError, match="the expert that the student learns from has no cross-transformer of pairs"):
        chain.bench.student(taught, "headless", learns_from="rgb")


@pytest.mark.parametrize("kind", ["trm", "baseline", "strm"])
def test_other_kinds_of_experts_go_through_the_stage(bench: Bench, kind: str) -> None:
    made = bench.expert(kind=kind, episodes=4, cardinalities=(2, 3))
    assert Dumped(bench.dump(made).out).width == 128


@pytest.mark.parametrize("role", ["expert", "student"])
def test_a_frozen_trunk_keeps_its_weights_and_the_rest_learns(bench: Bench, role: str) -> None:
    changes = {"weights": "world", "trunk": "frozen", "views": 2, "lr": 1e-2}
    made = bench.expert(**changes) if role == "expert" else bench.student(**changes, shape="d2m")
    network = read(made)[0]
    trunk = network.net if role == "expert" else network.backbone.trunk
    from models.backbones.published import read_state
    from models.weights import WEIGHTS

    shipped = read_state(WEIGHTS["small2d.world"].path)
    assert all(torch.equal(value, shipped[name]) for name, value in trunk.state_dict().items())
    assert curves(made)[-1]["train_loss"] != curves(made)[0]["train_loss"]


def test_a_frozen_trunk_is_asked_once_for_every_view_and_an_episode_draws_one(bench: Bench) -> None:
    artifact = bench.root / "rgb"
    pictures = Pictures(Clips(artifact, ItemSet(artifact / "items", writable=False), frames=FRAMES), look := Look(14, FRAMES))
    torch.manual_seed(0)
    net = Single("trx", "small2d", 12, frames=FRAMES).eval()
    ids = list(bench.videos)[:7]
    with torch.no_grad():
        frozen = Frozen(bench.root / "f.npy", ids, 2, lambda lot, number: net.features(look.input(pictures.fixed(lot, 0, number), "cpu")))
        assert torch.allclose(frozen.middle(ids[2:4]), net.features(look.input(pictures.middle(ids[2:4]), "cpu")), atol=1e-5)
    seen = frozen.drawn(ids * 4, At(0, 0))
    middle = frozen.middle(ids * 4)
    alike = [bool(torch.equal(a, b)) for a, b in zip(seen, middle)]
    assert any(alike) and not all(alike)


def test_the_best_weights_on_val_are_kept_with_fewer_ways(chain: Chain) -> None:
    made = chain.bench.teacher(chain.dumps, "selected", way=4, select="val", val_episodes=20, episodes=16, lr=1e-2)
    found = [record["val_accuracy"] for record in curves(made)]
    about = json.loads((made / "model.json").read_text())
    assert about["best_value"] == max(found) and about["selected_by"] == "accuracy" and about["best_epoch"] == found.index(max(found))
    assert about["videos"]["val"]["classes"] == 3


@pytest.mark.parametrize("role", ["expert", "student"])
def test_pictures_are_validated_too(chain: Chain, role: str) -> None:
    bench = chain.bench
    more = {"select": "val", "val_episodes": 5, "episodes": 4}
    made = bench.expert("expert.val", **more) if role == "expert" else bench.student(name="student.val", **more)
    assert 0 <= curves(made)[0]["val_accuracy"] <= 1


def test_selection_without_enough_val_videos_is_refused(bench: Bench) -> None:
    write_frames(bench.root / "rgb", [line for line in frames(bench.root / "rgb") if line["id"][:3] not in ("eel", "fox")])
    with pytest.raises(ConfigError, match="few-shot/val has 1 classes of 3 videos"):
        bench.expert(select="val")


@pytest.mark.parametrize("role", ["expert", "teacher"])
def test_a_training_that_is_stopped_and_run_again_ends_in_the_same_bits(role: str, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import loop
    from models.training.pace import Pace
    from systems.litemkd.episodic import EpisodeTask

    def make(name: str) -> Path:
        if role == "teacher":
            return chain.bench.teacher(chain.dumps, name)
        return chain.bench.expert(f"expert.{name}", optimiser="adam")

    whole = make("whole")
    fit, original, seen = loop.fit, EpisodeTask.loss, []
    monkeypatch.setattr("systems.litemkd.episodic.fit", lambda *a, **k: fit(*a, **k, pace=Pace(seconds=0.0, share=1e9)))

    def stopped(self: EpisodeTask, number: int) -> object:
        seen.append(number)
        if len(seen) == 7:
            raise KeyboardInterrupt
        return original(self, number)

    monkeypatch.setattr(EpisodeTask, "loss", stopped)
    with pytest.raises(KeyboardInterrupt):
        make("stopped")
    again = make("stopped")
    assert seen == [*range(7), *range(4, 10)]  # from the last step on
    assert weights(again) == weights(whole) and curves(again) == curves(whole)


def test_the_seed_decides_the_weights_and_the_number_of_threads_that_load_does_not(chain: Chain) -> None:
    one, same, other = (
        weights(chain.bench.student(name=f"student.{name}", episodes=3, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == same != other


def test_the_first_step_of_the_released_code_has_one_episode_fewer() -> None:
    from systems.litemkd import TeacherParams
    from systems.litemkd.episodic import epochs, stretch

    full, short = (TeacherParams(episodes=70, accumulate=16, record_every=32, preset=preset) for preset in ("paper", "released"))
    assert [list(stretch(full, e))[:: len(stretch(full, e)) - 1] for e in range(epochs(full))] == [[0, 31], [32, 63], [64, 69]]
    assert [(stretch(short, e).start, stretch(short, e).stop) for e in range(epochs(short))] == [(0, 31), (31, 63), (63, 70)]
    exact = TeacherParams(episodes=63, accumulate=16, record_every=32, preset="released")
    assert sum(len(stretch(exact, e)) for e in range(epochs(exact))) == 63 and epochs(exact) == 2


def test_gradients_of_a_step_are_summed(chain: Chain) -> None:
    """A step of SGD over four episodes moves four times as far as the mean would: as the published code, which never divides."""
    from systems.litemkd.trained import build

    made = chain.bench.teacher(chain.dumps, "summed", episodes=4, dropout=0.0, lr=1e-3)
    _, about = read(made)
    torch.manual_seed(1)
    from models.training.determinism import make_deterministic

    make_deterministic(1)
    net = build(**about["arguments"])
    start = net.fusion.f1.weight.detach().clone()
    from systems.litemkd.episodes import Shape, pool
    from systems.litemkd.lessons import TeacherLesson
    from systems.litemkd.videos import listed

    dumps = [Dumped(path) for path in chain.dumps.values()]
    videos = listed(chain.bench.index, "train")
    own, lesson = pool(videos, set(videos), Shape(3, 2, 2)), TeacherLesson(net, dumps, "cpu")
    for number in range(4):
        episode = own.episode(1, number)
        lesson.teach(lesson.fetch(episode, number), torch.tensor(episode.support_labels), torch.tensor(episode.query_labels))[0].backward()
    expected = start - 1e-3 * net.fusion.f1.weight.grad
    assert torch.allclose(read(made)[0].fusion.f1.weight, expected, atol=1e-7)
    assert not torch.allclose(expected, start, atol=1e-7)


def test_a_dataset_without_few_shot_splits_is_refused(bench: Bench) -> None:
    bench.videos = {id: ("none", label) for id, (_, label) in bench.videos.items()}
    write_index(bench)
    with pytest.raises(ConfigError, match="no videos of the split few-shot/train"):
        bench.expert()


def test_too_few_videos_are_refused_with_what_is_missing(bench: Bench) -> None:
    write_frames(bench.root / "rgb", [line for line in frames(bench.root / "rgb") if line["id"][-1] in "01"])
    with pytest.raises(DataError, match="0 of 4 classes have the 4 videos"):
        bench.expert()
