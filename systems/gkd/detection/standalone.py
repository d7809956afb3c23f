"""Find the actions in a video:

python predict.py match.mp4
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.standalone.best import softmax
from models.standalone.onnx_network import network
from models.standalone.video import at_rate, decoded, middle, resized


def windows(frames: Any, about: Any) -> Iterator[tuple[int, Any]]:
    """Where each window begins, and what the network sees of it."""
    seen, how, length = about["pixels"], about["windows"], about["pixels"]["frames"]
    pixels = middle(resized(frames, seen["side"], seen["side"], cubic=True), seen["crop"])
    begins = list(range(0, max(len(frames) - length, 0) + 1, how["stride"]))
    if len(frames) > length and begins[-1] != len(frames) - length:
        begins.append(len(frames) - length)
    for begin in begins:
        clip = np.full((length, *pixels.shape[1:]), {"grey": 0.0, "black": -1.0}[how["padding"]], np.float32)
        part = pixels[begin : begin + length]
        clip[: len(part)] = part / np.float32(255) * np.float32(2) - np.float32(1)
        yield begin, np.ascontiguousarray(np.moveaxis(clip, -1, 0)[None])


def candidates(said: Any, begin: int, about: Any, priors: Any) -> tuple[Any, Any]:
    """Segments in seconds, and the score of every class."""
    length = about["pixels"]["frames"]
    half = said["loc"].sum(-1, keepdims=True) / 2 * said["prop_loc"] + said["loc"]
    places = priors[:, 0] * length
    segments = np.stack([places - half[0, :, 0], places + half[0, :, 1]], -1).clip(0, length)
    scores = (softmax(said["conf"]) + softmax(said["prop_conf"])) / 2 / (1 + np.exp(-said["center"]))
    return (segments + begin) / about["pixels"]["fps"], scores[0]


def suppressed(segments: Any, scores: Any, how: Any) -> Iterator[tuple[Any, float]]:
    """The best segments of one class; what overlaps them counts less (soft-NMS)."""
    alive = scores > max(how["threshold"], how["kept"])
    segments, scores = segments[alive], scores[alive]
    for _ in range(how["top_k"]):
        if len(scores) <= (how["last"] == "lost"):
            return
        best = int(scores.argmax())
        (start, end), score = segments[best], float(scores[best])
        yield segments[best], score
        segments, scores = np.delete(segments, best, 0), np.delete(scores, best)
        inside = np.maximum(np.minimum(segments[:, 1], end) - np.maximum(segments[:, 0], start), 0)
        union = max(end - start, 1e-5) + segments[:, 1] - segments[:, 0] - inside
        scores = scores * np.exp(-((np.where(inside > 0, inside / union, 0)) ** 2) / how["sigma"])
        segments, scores = segments[scores >= how["kept"]], scores[scores >= how["kept"]]


def main() -> None:
    """Print the segments with the highest scores, in the order of their times."""
    folder = Path(__file__).parent
    about, run = network(folder)
    if about["modality"] != "rgb":
        sys.exit("this network sees optical flow: give its windows to the network yourself, as model.json says")
    frames, times = decoded(sys.argv[1])
    priors = np.load(folder / "priors.npy")
    frames = frames[at_rate(times, about["pixels"]["fps"], "last")]
    found = [candidates(run(windows=clip), begin, about, priors) for begin, clip in windows(frames, about)]
    segments, scores = (np.concatenate(part) for part in zip(*found))
    said = [
        (score, *segment, name)
        for number, name in enumerate(about["classes"], 1)
        for segment, score in suppressed(segments, scores[:, number], about["decoding"])
    ]
    for score, start, end, name in sorted(sorted(said, key=lambda one: -one[0])[:5], key=lambda one: one[1]):
        print(f"{start:7.1f} s to {end:7.1f} s  {score:5.3f}  {name}")


if __name__ == "__main__":
    main()
