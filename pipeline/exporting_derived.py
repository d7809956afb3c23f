"""What was derived, out of the store and in the files that other code bases read.

A tree appears under its name when it is whole, or not at all, and nothing that is there is written over. Where a form holds the flow
between neighbours (two-stream, denseflow, flo), N sampled frames give N - 1: that of the last frame is left out.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import KdpipeError
from formats import afsd_npy, alphapose, flo, l8, two_stream
from formats.official_names import parts
from media.codings.quantise import quantise
from media.frames import Frames, decode_payload, encode_image
from pipeline.derived import Derivation
from pipeline.exporting import in_place
from pipeline.labels import Labels

#: Quality of a JPEG that is encoded here: what OpenCV's tools write. What is kept as JPEG is copied.
QUALITY = 95
JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Form:
    """A form of files: the codings from which it can be written by kind, and whether frames can stand beside."""

    what: str
    codings: dict[str, tuple[str, ...]]
    frames: bool = False


FORMS = {
    "l8": Form(
        "Lite-MKD's folders <modality>_l8/<class>/<video>/%08d.jpg",
        {"flow": ("wheel", "float", "xy"), "depth": ("jet", "float", "grey16"), "skeleton": ("black", "overlay", "keypoints")},
        frames=True,
    ),
    "two-stream": Form("folders of dense_flow, numbers from 1, with lists of the splits", {"flow": ("xy", "float")}, frames=True),
    "denseflow": Form("folders of denseflow, numbers from 0", {"flow": ("xy", "float")}, frames=True),
    "afsd": Form("AFSD's <video>.npy, uint8 (T, H, W, 2)", {"flow": ("xy", "float")}),
    "flo": Form("Middlebury's <video>/%06d.flo", {"flow": ("float", "xy")}),
    "alphapose": Form("AlphaPose's <video>/alphapose-results.json, pictures called by their frame's number", {"skeleton": ("keypoints",)}),
    "keypoints": Form("<video>.npz of keypoints, boxes and scores", {"skeleton": ("keypoints",)}),
}


def check(found: Derivation, form: str, frames: bool = False) -> None:
    """Raise KdpipeError if ``form`` cannot be written from how the products are kept."""
    kinds = FORMS[form].codings
    if found.kind not in kinds:
        raise KdpipeError(f"{form} is for {' or '.join(kinds)}, and {found.record.node} holds {found.kind}")
    if found.coding not in kinds[found.kind]:
        known = " or ".join(kinds[found.kind])
        hint = f"kdpipe run {found.record.node} --set {found.record.node}.coding={kinds[found.kind][0]}"
        raise KdpipeError(f"{form} is written from {known}; {found.record.node} is kept as {found.coding}", hint=hint)
    if frames and not FORMS[form].frames:
        raise KdpipeError(f"{form} has no frames in it", hint="leave out --frames")


def targets(found: Derivation, out: Path, form: str, frames: bool = False) -> list[Path]:
    """The directories that an export makes. Raises KdpipeError if one is there and not empty."""
    made = [out / f"{name}_l8" for name in (found.kind, *(["rgb"] if frames else []))] if form == "l8" else [out]
    for path in made:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise KdpipeError(f"{path} is there already, and nothing is written over", hint="give --out a new directory")
    return made


def export(found: Derivation, out: Path, form: str, bars: Callable[..., Any], frames: bool = False) -> int:
    """Write ``form`` to ``out``; return the number of videos. ``frames``: the sampled frames beside, where the form has a place."""
    check(found, form, frames)
    made = targets(found, out, form, frames)
    labels = Labels.of(found)
    names = parts(row["id"] for row in found.rows)
    if form == "l8":
        places = parts(labels.class_of(row["id"]) for row in found.rows)
        for path in made:
            with in_place(path) as temporary:
                for row in _stepped(found, bars, path.name):
                    pictures = _pictures(found, row) if path == made[0] else _frames(found, row)
                    l8.write(temporary / places[labels.class_of(row["id"])] / names[row["id"]], pictures)
        return len(found.rows)
    with in_place(out) as temporary:
        temporary.mkdir()
        counts = {}
        for row in _stepped(found, bars, form):
            counts[row["id"]] = _WRITERS[form](found, row, temporary, names[row["id"]], frames)
        if form == "two-stream":
            labels.write_lists(temporary / "settings", counts, names, frames)
    return len(found.rows)


def _stepped(found: Derivation, bars: Callable[..., Any], what: str) -> Iterator[dict[str, Any]]:
    with bars(f"export {what}", total=len(found.rows)) as bar:
        for row in found.rows:
            yield row
            bar.step()


def _jpeg(frames: Frames, number: int) -> tuple[bytes, ...]:
    """The stills of a picture as JPEG; they are copied if they are."""
    stills: tuple[bytes, ...] = frames.coded(number) if frames.coded is not None else ()
    if stills and all(still.startswith(JPEG) for still in stills):
        return stills
    image = frames.images(number)
    planes = [image] if image.shape[2] == 3 else [image[..., plane] for plane in range(image.shape[2])]
    return tuple(encode_image(plane, "jpeg", QUALITY) for plane in planes)


def _pictures(found: Derivation, row: dict[str, Any]) -> Iterator[bytes]:
    """The pictures of a video, in the order of its clips, as JPEG."""
    if found.coding in ("wheel", "jet", "black", "overlay"):
        frames = decode_payload(found.payload(row))
        yield from (_jpeg(frames, int(number))[0] for number in frames.index.ravel())
        return
    picture = found.pictures(row)
    yield from (encode_image(picture(int(number)), "jpeg", QUALITY) for number in found.opened(row).index.ravel())


def _frames(found: Derivation, row: dict[str, Any]) -> Iterator[bytes]:
    """The sampled frames of a video, in the order of its clips, as JPEG."""
    frames = found.frames(row)
    yield from (_jpeg(frames, int(number))[0] for number in frames.index.ravel())


def _coded_flow(found: Derivation, row: dict[str, Any]) -> tuple[npt.NDArray[np.int32], Callable[[int], tuple[bytes, ...]]]:
    """The frame numbers of a video, and its flow in 8 bits as two JPEGs: as it is kept, or by denseflow's rule."""
    if found.coding == "xy":
        frames = decode_payload(found.payload(row))
        return frames.numbers, lambda number: _jpeg(frames, number)
    numbers = found.opened(row).numbers
    codes = _codes(found, row)
    return numbers, lambda number: tuple(encode_image(codes(number)[..., plane], "jpeg", QUALITY) for plane in (0, 1))


def _codes(found: Derivation, row: dict[str, Any]) -> Callable[[int], npt.NDArray[np.uint8]]:
    if found.coding == "xy":
        images: Callable[[int], npt.NDArray[np.uint8]] = decode_payload(found.payload(row)).images
        return images
    product, bound = found.opened(row).product, float(found.options.get("bound", 20.0))
    return lambda number: quantise(product(number), "denseflow", bound)


def _two_stream(found: Derivation, row: dict[str, Any], out: Path, name: str, frames: bool) -> int:
    return _folder("dense_flow", found, row, out / "frames" / name, frames)


def _denseflow(found: Derivation, row: dict[str, Any], out: Path, name: str, frames: bool) -> int:
    return _folder("denseflow", found, row, out / name, frames)


def _folder(tool: str, found: Derivation, row: dict[str, Any], folder: Path, frames: bool) -> int:
    numbers, stills = _coded_flow(found, row)
    pairs = ((x, y) for x, y in map(stills, map(int, numbers[:-1])))
    sampled = found.frames(row) if frames else None
    beside = (_jpeg(sampled, int(number))[0] for number in numbers) if sampled else ()  # once each: a padded video repeats some
    two_stream.write(folder, tool, pairs, beside)
    return len(numbers) - 1


def _afsd(found: Derivation, row: dict[str, Any], out: Path, name: str, frames: bool) -> int:
    codes, numbers = _codes(found, row), found.opened(row).numbers
    afsd_npy.write(out / f"{name}.npy", (codes(int(number)) for number in numbers), len(numbers))
    return len(numbers)


def _flo(found: Derivation, row: dict[str, Any], out: Path, name: str, frames: bool) -> int:
    opened = found.opened(row)
    (out / name).mkdir()
    for k, number in enumerate(opened.numbers[:-1]):
        flo.write(out / name / f"{k:06d}.flo", opened.product(int(number)))
    return len(opened.numbers) - 1


def _alphapose(found: Derivation, row: dict[str, Any], out: Path, name: str, frames: bool) -> int:
    opened = found.opened(row)
    people = {f"{number}.jpg": opened.product(int(number)) for number in opened.numbers}
    alphapose.write_results(out / name, {name: alphapose.Skeletons.of(p.keypoints, p.boxes, p.scores) for name, p in people.items()})
    return len(people)


def _keypoints(found: Derivation, row: dict[str, Any], out: Path, video: str, frames: bool) -> int:
    opened = found.opened(row)
    people = [opened.product(int(number)) for number in opened.numbers]
    arrays: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in people]) for name in people[0]._fields}
    counts = np.array([len(one.scores) for one in people], np.int64)
    size = np.array([row["height"], row["width"]], np.int64)
    buffer = io.BytesIO()
    np.savez(buffer, numbers=opened.numbers, times=opened.times, people=counts, size=size, **arrays)
    (out / f"{video}.npz").write_bytes(buffer.getvalue())
    return len(people)


_WRITERS: dict[str, Callable[[Derivation, dict[str, Any], Path, str, bool], int]] = {
    "two-stream": _two_stream,
    "denseflow": _denseflow,
    "afsd": _afsd,
    "flo": _flo,
    "alphapose": _alphapose,
    "keypoints": _keypoints,
}
