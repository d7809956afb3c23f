"""A network of every system as an ONNX file: it says what the trained one says, of batches of any size, and answers without kdpipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.exported import Exportable, apart
from pipeline.export import onnx_file
from tests.export.bench import NETWORKS, about, ask, export, exportable, film

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Left:
    """A network, and the folder that it became."""

    name: str
    network: Exportable
    folder: Path
    difference: float


@pytest.fixture(scope="module", params=NETWORKS)
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """A network that was exported once."""
    root = tmp_path_factory.mktemp(request.param)
    network = exportable(request.param, root / "bench")
    written = export(network, root / "out")
    return Left(request.param, network, root / "out", written.parity.difference)


def test_it_says_what_the_trained_network_says(left: Left) -> None:
    assert 0 <= left.difference < left.network.tolerance
    assert about(left.folder)["parity"]["max_relative_difference"] == left.difference


def test_batches_may_have_any_size(left: Left) -> None:
    """One row, and more than any batch that it was tested with."""
    run, feed = onnx_file.run(left.folder / "model.onnx", left.network.outputs), dict(left.network.rows[0])
    growing = "query" if "query" in feed else "batch"
    names = ["query"] if growing == "query" else list(feed)
    for rows in ([0], [*range(len(feed[names[0]]))] * 4):
        asked = {**feed, **{name: np.ascontiguousarray(feed[name][rows]) for name in names}}
        assert apart(run(asked), left.network.reference(asked)) < left.network.tolerance
        assert len(next(iter(run(asked).values()))) == len(rows)


def test_model_json_says_what_goes_in_and_what_comes_out(left: Left) -> None:
    import onnx

    said = about(left.folder)
    graph = onnx.load(str(left.folder / "model.onnx")).graph
    for ports, values in ((said["inputs"], graph.input), (said["outputs"], graph.output)):
        shapes = [[size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim] for value in values]
        assert [(port["name"], port["shape"]) for port in ports] == [(v.name, shape) for v, shape in zip(values, shapes)]
        assert all(port["shape"][0] in port["dynamic"] for port in ports)
    assert said["key"] == "0" * 64 and said["settings"] == {"seed": 1} and said["how"] and said["build"]["arguments"]
    assert said["licence"] and said["versions"]["exported"]["torch"]


def test_no_path_of_this_machine_is_in_the_files(left: Left) -> None:
    here = str(Path(__file__).parents[2]).encode()
    assert not [path.name for path in left.folder.iterdir() if here in path.read_bytes()]


def test_predict_py_answers_without_kdpipe_and_without_torch(left: Left, tmp_path: Path) -> None:
    said = ask(left.folder, *WORDS[left.name](left, tmp_path))
    CHECKS[left.name](left, said, tmp_path)


def _questions(left: Left, place: Path) -> list[str]:
    feed = left.network.rows[0]
    for name in ("appearance", "motion"):
        np.save(place / f"{name}.npy", feed[name][0])
    words = {number: word for word, number in left.network.about["vocabulary"].items() if number > 1} | {1: "zebra"}
    asked = " ".join(words[number] for number in feed["question"][0, : feed["length"][0]])
    return [str(place / "appearance.npy"), str(place / "motion.npy"), f"{asked}?"]


def _features(left: Left, place: Path) -> list[str]:
    feed = left.network.rows[0]
    np.save(place / "frames.npy", feed["frames"][0][feed["present"][0]])
    return [str(place / "frames.npy")]


def _examples(left: Left, place: Path) -> list[str]:
    for number, name in enumerate(("bows", "claps")):
        (place / "examples" / name).mkdir(parents=True)
        film(place / "examples" / name / "a.mp4", seed=number)
    return [str(place / "examples"), str(film(place / "a.mp4", seed=0)), str(film(place / "b.mp4", seed=1))]


def _film(left: Left, place: Path) -> list[str]:
    return [str(film(place / "a.mp4", sound=left.name == "encoders"))]


def _same_best(left: Left, said: list[str], place: Path) -> None:
    """The first line is the answer of the trained network, with its probability."""
    feed = left.network.rows[0]
    (row,) = ({name: one[:1] for name, one in feed.items()},)
    values = next(iter(left.network.reference(row).values()))[0]
    names = left.network.about["answers" if left.name == "videoqa" else "labels"]
    share = np.exp(values - values.max()) / np.exp(values - values.max()).sum() if left.name == "videoqa" else values
    best = int(values.argmax())
    assert said[0].split("%")[1].strip() == names[best] and float(said[0].split("%")[0]) == pytest.approx(100 * share[best], abs=0.06)
    assert len(said) == 5


def _own_class(left: Left, said: list[str], place: Path) -> None:
    """Videos that are among the examples are of their class."""
    best = {said[i]: said[i + 1].split("%")[1].strip() for i in range(0, len(said), 3)}
    assert best == {str(place / "a.mp4"): "bows", str(place / "b.mp4"): "claps"}


def _classes(left: Left, said: list[str], place: Path) -> None:
    assert {line.split("%")[1].strip() for line in said} == set(left.network.about["classes"])
    assert sum(float(line.split("%")[0]) for line in said) == pytest.approx(100, abs=0.2)


def _segments(left: Left, said: list[str], place: Path) -> None:
    assert said and all(line.split()[-1] in left.network.about["classes"] for line in said)
    assert all(float(line.split()[0]) <= 3.2 for line in said)


def _saved(left: Left, said: list[str], place: Path) -> None:
    with np.load(place / "a.mp4.npz") as found:
        assert {name: one.shape for name, one in found.items()} == {"video_features": (1, 12), "audio_features": (1, 12)}


WORDS: dict[str, Any] = {
    "videoqa": _questions,
    "fewerframes": _features,
    "litemkd": _examples,
    "recognition": _film,
    "detection": _film,
    "encoders": _film,
    "head": _film,
}
CHECKS: dict[str, Any] = {
    "videoqa": _same_best,
    "fewerframes": _same_best,
    "litemkd": _own_class,
    "recognition": _classes,
    "detection": _segments,
    "encoders": _saved,
    "head": _classes,
}
