"""Arrays of sampled frames and of flow, AFSD's own arrays, and one video file: what a network sees of a video."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cache.errors import DataError
from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from media.encode import write_video
from media.frames import encode_image, encode_pictures
from stages.sample.policies import rate_indices
from systems.gkd.detection import assemble, given_arrays
from systems.gkd.detection.array_files import file_of, read_list
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.params import ArraysParams
from systems.gkd.detection.predict import sampled, segments_of
from systems.gkd.detection.shape import Shape
from systems.gkd.detection.trained import Network
from systems.gkd.detection.transforms import resize

PICTURES = np.random.default_rng(0).integers(0, 256, (25, 24, 32, 3), np.uint8)


def context(root: Path, params: ArraysParams, /, **more: Any) -> Context:
    out, scratch = root / "out", root / "scratch"
    for directory in (out, scratch):
        directory.mkdir(exist_ok=True)
    return Context(params=params, out=out, scratch=scratch, ledger=Ledger(), progress=Quiet, node="arrays", **more)


def pictures(root: Path, videos: Mapping[str, np.ndarray[Any, Any]], fps: float = 10.0, repeat: int = -1) -> dict[str, Any]:
    """An artifact of sampled or derived pictures (T, H, W, C), as the inputs of a context; the frame ``repeat`` is there twice."""
    artifact = root / "frames"
    artifact.mkdir()
    items, lines = ItemSet(artifact / "items"), []
    for id, clip in videos.items():
        numbers = np.arange(len(clip), dtype=np.int32) * 3
        index = np.sort(np.append(numbers, numbers[repeat]))[None] if repeat >= 0 else numbers[None]
        stills: Any = [encode_image(one) if one.shape[-1] == 3 else tuple(encode_image(one[..., c]) for c in (0, 1)) for one in clip]
        payload = encode_pictures(index, numbers, np.arange(len(clip)) / fps, stills)
        media = hashlib.sha256(id.encode()).hexdigest()
        items.append(media, payload, {"state": "ok"})
        lines.append({"id": id, "media": media, "frames": hashlib.sha256(payload).hexdigest(), "count": len(clip)})
    items.flush()
    (artifact / "frames.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {"inputs": {"frames": artifact}, "input_items": {"frames": ItemSet(artifact / "items", writable=False)}}


def test_arrays_are_the_sampled_frames_resized_a_repeated_one_twice(tmp_path: Path) -> None:
    made = context(tmp_path, ArraysParams(size=16), **pictures(tmp_path, {"a/b": PICTURES, "c": PICTURES[:9]}, repeat=4), workers=2)
    assemble.run(made)
    found = read_list(made.out)
    assert found.lengths == {"a/b": 26, "c": 10} and found.fps == 10.0
    wanted = resize(PICTURES[[*range(5), 4, *range(5, 25)]], 16)
    assert np.array_equal(found.open("a/b"), wanted)
    assert sorted(path.name for path in made.out.glob("*.npy")) == ["a%2Fb.npy", "c.npy"]


def test_flow_is_taken_as_it_is_and_has_to_have_the_size(tmp_path: Path) -> None:
    flow = PICTURES[..., :2]
    made = context(tmp_path, ArraysParams(modality="flow", size=24), **pictures(tmp_path, {"a": flow[:, :, :24]}))
    assemble.run(made)
    assert np.array_equal(read_list(made.out).open("a"), flow[:, :, :24])
    (tmp_path / "other").mkdir()
    other = context(tmp_path / "other", ArraysParams(modality="flow", size=24), **pictures(tmp_path / "other", {"a": flow}))
    with pytest.raises(DataError, match="a: flow of 32 x 24 pixels, where arrays have 24 x 24") as refused:
        assemble.run(other)
    assert "derive.flow.width=24" in str(refused.value.hint)


def test_frames_that_come_at_another_rate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a: 25\.00 sampled frames a second, where arrays have 10"):
        assemble.run(context(tmp_path, ArraysParams(size=16), **pictures(tmp_path, {"a": PICTURES}, fps=25.0)))


def test_a_run_that_was_killed_leaves_the_videos_that_were_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = context(tmp_path, ArraysParams(size=16), **pictures(tmp_path, {"a": PICTURES, "b": PICTURES[:9], "c": PICTURES[:5]}))
    original, seen = assemble.write_frames, []

    def counted(path: Path, *arguments: Any) -> None:
        seen.append(path.stem)
        original(path, *arguments)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(assemble, "write_frames", counted)
    with pytest.raises(KeyboardInterrupt):
        assemble.run(made)
    assemble.run(made)
    assert sorted(seen) == ["a", "b", "b", "c"]
    assert read_list(made.out).lengths == {"a": 25, "b": 9, "c": 5}


def given(root: Path, files: Mapping[str, bytes | np.ndarray[Any, Any]]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)


def test_arrays_of_afsd_are_checked_and_copied_and_damaged_ones_named(tmp_path: Path) -> None:
    root = tmp_path / "data"
    flow = PICTURES[..., :2]
    given(root, {"validation_npy/a.npy": PICTURES, "test_npy/b.npy": PICTURES.astype(float), "test_npy/c.npy": b"\x93NUMPY cut"})
    given(root, {"test_flow_npy/a.npy": flow})
    params = ArraysParams(source="npy")
    sources = dict.fromkeys(given_arrays.sources(params, root), "x")
    assert list(sources) == ["validation_npy/a.npy", "test_npy/b.npy", "test_npy/c.npy"]
    made = context(tmp_path, params, root=root, sources=sources)
    given_arrays.run(made)
    found = read_list(made.out)
    assert np.array_equal(found.open("a"), PICTURES) and isinstance(found.open("a"), np.memmap)
    assert {entry.id: entry.state for entry in made.ledger.entries.values()} == {"a": "ok", "b": "failed", "c": "failed"}
    assert str(tmp_path) not in made.ledger.dump()
    assert list(given_arrays.sources(ArraysParams(source="npy", modality="flow"), root)) == ["test_flow_npy/a.npy"]


def test_a_data_root_without_arrays_says_where_they_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no npy file in validation_npy or test_npy"):
        given_arrays.run(context(tmp_path, ArraysParams(source="npy"), root=tmp_path))


def test_an_id_is_never_a_path() -> None:
    assert file_of("../x") == "..%2Fx.npy" and "/" not in file_of("/etc/passwd")


@pytest.mark.parametrize(
    ("rate", "count", "suffix"), [(25, 41, ".mp4"), (30, 60, ".mp4"), (8, 12, ".mkv"), (10, 1, ".mp4"), (24, 30, ".avi")]
)
def test_a_video_file_is_sampled_as_the_sample_stage_does(rate: int, count: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"video{suffix}"
    write_video(path, told(count), rate)
    from media.decode import read_frames

    frames = list(read_frames(path))
    wanted = rate_indices([frame.time for frame in frames], 10.0, "last")[0]
    with (tmp_path / "frames").open("w+b") as file:
        found = sampled(path, file, 10.0, 16)
        assert np.array_equal(found, resize(np.stack([frames[number].image for number in wanted]), 16))


def told(count: int) -> Iterable[np.ndarray[Any, Any]]:
    """Pictures of different greys."""
    for number in range(count):
        yield np.full((32, 48, 3), 4 * number % 256, np.uint8)


def test_segments_of_a_video_of_any_length_have_seconds_classes_and_scores(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    write_video(path, told(150), Fraction(25))
    torch.manual_seed(0)
    shape = Shape(n_classes=3, frames=32, crop=16, levels=3, width=1 / 16)
    model = Detector("student", shape, attention=False).eval()
    network = Network(model, {"modality": "rgb", "weighted": False, "classes": ["Bow", "Clap"]})
    found = segments_of(path, network, ("Bow", "Clap"), side=20, stride=16)
    assert found.detections and {one.label for one in found.detections} == {"Bow", "Clap"}
    assert all(0 <= one.start < one.end <= 6.0 and 0 < one.score < 1 for one in found.detections)
    with pytest.raises(DataError, match="the network sees flow"):
        segments_of(path, Network(model, {"modality": "flow", "weighted": False, "classes": ["Bow", "Clap"]}), ("Bow", "Clap"))
