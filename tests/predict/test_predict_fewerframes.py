"""Labels of videos as files: described as the drawn programmes are, and labelled as the evaluation labels a partition."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cache.errors import KdpipeError
from cache.ragged import RaggedFrames
from cache.stage import Quiet
from formats.whitening import Whitening
from formats.youtube8m import AUDIO, RGB, quantise
from media.encode import write_video
from models.prediction import Asked, Made
from pipeline.predict.files import listed
from pipeline.predict.making import Workshop, make
from pipeline.predict.recipe import INDEX, Recipe, Step
from stages.ingest import IngestParams
from stages.sample import SampleParams
from systems.fewerframes.predict import PREDICTIONS
from tests.fewerframes.conftest import Bench, write_features
from world.descriptors import HEARING, SIGHT, Eye, describe
from world.plan import RATE
from world.programme import Programme, make_programme
from world.render import draw, stage_film
from world.sound import soundtrack
from world.youtube8m import PCA

SEED = 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Path]:
    """A partition, and a student of six frames."""
    root = tmp_path_factory.mktemp("labels")
    bench = Bench(root, write_features(root / "ingest"))
    return bench, bench.student("student", epochs=2)


def test_labels_are_those_of_the_evaluation(trained: tuple[Bench, Path], tmp_path: Path) -> None:
    from systems.fewerframes.data import open_partition
    from systems.fewerframes.evaluate import answers
    from systems.fewerframes.predictor import load
    from systems.fewerframes.trained import read_network

    bench, student = trained
    torch.set_num_threads(1)
    batches = list(answers(read_network(student), open_partition(bench.ingest, "validate"), 16, "cpu"))
    theirs = {id: row for ids, rows in batches for id, row in zip(ids, rows, strict=True)}
    shutil.copy(bench.ingest / "validate.h5", tmp_path / "files.h5")
    facts = json.loads((bench.ingest / "frames.json").read_text())
    names = [f"label {number}" for number in range(facts["num_classes"])]
    for place, classes in ((tmp_path, []), (tmp_path / "kept", names)):
        place.mkdir(exist_ok=True)
        (place / "frames.json").write_text(json.dumps({**facts, "classes": classes}))
    said = dict(load(Asked(student, {"ingest": tmp_path / "kept"}, top=10)).answers(Made(list(theirs), {"ingest": tmp_path}), None))
    assert len(said) == 60
    for id, row in theirs.items():
        ours = {choice.name: choice.probability for choice in said[id].choices}
        np.testing.assert_allclose([ours[name] for name in names], row, rtol=1e-5, atol=1e-7)
        assert said[id].what == "labels" and said[id].choices[0].name == names[int(row.argmax())]


def identity(width: int, count: int, scale: float) -> Whitening:
    """Keeps the first numbers of a description, made small enough for the bytes."""
    return Whitening(np.zeros(count, np.float32), np.full(count, scale**2, np.float32), np.eye(count, width, dtype=np.float32))


def described(world: Path, files: list[Path], place: Path) -> tuple[Made, dict[str, str]]:
    """What the steps of a prediction make of files."""
    how = PREDICTIONS[0].instead["ingest"]
    steps = {
        name: Step("sample", "stages.sample.run:run", SampleParams(**options), {INDEX: INDEX}, keeps=True, optional=name == "sound")
        for name, options in (("frames", how.frames), ("sound", how.sound))
    }
    reads = {INDEX: INDEX, **{name: name for name in steps}}
    steps["ingest"] = Step("ingest", how.entry, IngestParams(), reads, given={"world": world})
    place.mkdir()
    outcome = make(Workshop(place, Recipe(steps, {"ingest": "ingest"}, {}), Quiet, workers=1), listed(map(str, files)))
    (made,) = outcome.made
    return made, outcome.notes | outcome.lost


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whitenings of a drawn world, as simple as they can be."""
    root = tmp_path_factory.mktemp("world")
    (root / PCA).mkdir()
    identity(RGB, SIGHT, 0.5).save(root / PCA)
    identity(AUDIO, HEARING, 4.0).save(root / PCA, "audio_")
    return root


def test_a_file_is_described_as_the_programme_that_it_shows(world: Path, tmp_path: Path) -> None:
    """A shot of one, all of its pictures, without loss: the same bytes of sight; of hearing within a step of the bytes."""
    programme = make_programme(SEED, 0)
    shot = min((shot for shot in programme.shots if shot.first == 0), key=lambda shot: shot.steps)
    last = shot.pictures[-1] + 1
    track = soundtrack(shot.plan, SEED)
    file = tmp_path / "shot.mkv"
    pictures = list(draw(stage_film(shot.plan), range(last)))
    write_video(file, pictures, RATE, track, video_codec="ffv1", pixel_format="bgr0", audio_codec="pcm_s16le")
    made, told = described(world, [file], tmp_path / "made")
    assert told == {}
    frames = RaggedFrames(made.inputs["ingest"] / "files.h5")
    codes = frames.padded(np.array([0]), int(frames.lengths[0]))[0]
    seen, heard = describe(Programme(0, 0, (shot,)), SEED, Eye())
    rgb, audio = quantise(identity(RGB, SIGHT, 0.5)(seen)), quantise(identity(AUDIO, HEARING, 4.0)(heard))
    assert len(codes) == len(rgb) == shot.steps
    np.testing.assert_array_equal(codes[:, :RGB], rgb)
    assert len(np.unique(rgb)) > 30 and len(np.unique(audio)) > 30
    apart = np.abs(codes[:, RGB:].astype(int) - audio.astype(int))
    assert apart.max() <= 3 and apart.mean() < 0.3


def test_a_silent_file_is_heard_as_silence_and_one_that_is_none_is_lost(world: Path, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (30, 64, 80, 3)).astype(np.uint8)
    write_video(tmp_path / "mute.mp4", pictures, 10)
    (tmp_path / "text.mp4").write_text("no video")
    made, told = described(world, [tmp_path / "text.mp4", tmp_path / "mute.mp4"], tmp_path / "made")
    assert made.ids == ["1"] and told.keys() == {"0", "1"}
    assert told["0"].startswith("not_media") and told["1"].startswith("no_audio")
    frames = RaggedFrames(made.inputs["ingest"] / "files.h5")
    codes = frames.padded(np.array([0]), 12)[0]
    assert list(frames.lengths) == [12] and len(np.unique(codes[:, RGB:], axis=0)) == 1


def test_features_that_somebody_published_cannot_be_made_of_videos() -> None:
    from types import SimpleNamespace as Like

    from pipeline.predict.recipe import _add_instead

    record = Like(parents={"index": "0" * 64}, node="ingest")
    with pytest.raises(KdpipeError, match="what described those videos is not known"):
        _add_instead(Like(), Like(name="student.both.k6.s0"), record, PREDICTIONS[0].instead["ingest"], {})  # type: ignore[arg-type]
