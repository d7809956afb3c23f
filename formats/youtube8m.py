"""The records of YouTube-8M: one video each, as frame features (``SequenceExample``) or as their means (``Example``).

Context: ``id`` (2018 and later) or ``video_id`` (2017), ``labels``. Frame level: the sequences ``rgb`` and ``audio``, a string of
bytes a second. Video level: ``mean_rgb``, ``mean_audio``. Features are whitened and put into bytes: see :func:`quantise`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from formats.example import (
    Feature,
    FeatureList,
    encode_example,
    encode_sequence_example,
    parse_example,
    parse_sequence_example,
)
from formats.wire import WireError

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
#: widths of the published features
RGB, AUDIO = 1024, 128
IDS = ("id", "video_id")
#: the range of values that the bytes 0..255 stand for
LOW, HIGH = -2.0, 2.0


@dataclass(frozen=True)
class Video:
    """One video. ``labels``: sorted, each once. ``rgb`` (T, 1024), ``audio`` (T, 128): uint8 a second, or float32 means (T = 1)."""

    id: str
    labels: npt.NDArray[np.int64]
    rgb: npt.NDArray[Any]
    audio: npt.NDArray[Any]


def parse_frames(data: bytes, rgb: int = RGB, audio: int = AUDIO) -> Video:
    """Read a frame-level record. Raises WireError if it is none, or its features have other widths; ``audio`` may be absent."""
    example = parse_sequence_example(data)
    if "rgb" not in example.lists:
        raise WireError(f"no sequence 'rgb'; there is: {_names(example.context, example.lists)}")
    id, labels = _about(example.context)
    return Video(id, labels, _matrix(example.lists, "rgb", rgb), _matrix(example.lists, "audio", audio))


def parse_means(data: bytes, rgb: int = RGB, audio: int = AUDIO) -> Video:
    """Read a video-level record: rgb float32 (1, 1024), audio float32 (1, 128). Raises WireError if it is none."""
    features = parse_example(data)
    id, labels = _about(features)
    return Video(id, labels, _mean(features, "mean_rgb", rgb), _mean(features, "mean_audio", audio))


def encode_frames(video: Video) -> bytes:
    """The frame-level record of a video, as the official files have it."""
    return encode_sequence_example(_context(video), {"audio": video.audio, "rgb": video.rgb})


def encode_means(video: Video) -> bytes:
    """The video-level record of a video whose ``rgb`` and ``audio`` are float means (1, width)."""
    means = {"mean_audio": Feature("float", video.audio[0]), "mean_rgb": Feature("float", video.rgb[0])}
    return encode_example({**_context(video), **means})


def quantise(values: npt.NDArray[np.floating]) -> Bytes:
    """Whitened features as bytes: q = round((clip(z, -2, 2) + 2) * 255 / 4), the published extractor's rule."""
    levels: Bytes = np.rint((np.clip(values, LOW, HIGH) - LOW) * (255 / (HIGH - LOW))).astype(np.uint8)
    return levels


def _about(features: Mapping[str, Feature]) -> tuple[str, npt.NDArray[np.int64]]:
    key = next((name for name in IDS if name in features), "")
    if not key:
        raise WireError(f"neither 'id' nor 'video_id'; there is: {_names(features)}")
    names = features[key]
    if names.kind not in ("bytes", "") or len(names) > 1:
        raise WireError(f"'{key}' holds {len(names)} values of kind {names.kind}, expected one string")
    labels = features.get("labels", Feature())
    if labels.kind not in ("int64", ""):
        raise WireError(f"'labels' are {labels.kind}, expected integers")
    id = names.values[0].decode("utf-8", "backslashreplace") if len(names) else ""
    return id, np.unique(np.asarray(labels.values, np.int64))


def _matrix(lists: Mapping[str, FeatureList], name: str, width: int) -> Bytes:
    if name not in lists or not len(lists[name]):
        return np.zeros((0, width), np.uint8)
    try:
        return lists[name].matrix(width)
    except WireError as error:
        raise WireError(f"sequence '{name}': {error.message}") from error


def _mean(features: Mapping[str, Feature], name: str, width: int) -> Floats:
    values = features.get(name, Feature())
    if values.kind != "float" or len(values) != width:
        raise WireError(f"'{name}' holds {len(values)} values of kind '{values.kind}', expected {width} floats")
    return np.asarray(values.values, np.float32)[None]


def _context(video: Video) -> dict[str, Feature]:
    return {"labels": Feature("int64", video.labels), "id": Feature("bytes", [video.id.encode()])}


def _names(*mappings: Mapping[str, Any]) -> str:
    return ", ".join(sorted(name for mapping in mappings for name in mapping)[:12]) or "nothing"
