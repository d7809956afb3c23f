"""Say the class of a video or sound, or write its features:

python predict.py clip.mp4
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from models.standalone.best import show_best, softmax
from models.standalone.onnx_network import network
from models.standalone.sound import heard, log_mel
from models.standalone.video import at_rate, decoded, middle, short_side


def video(path: str, seen: Any) -> Any:
    """The clip in the middle of a file, as the encoder sees it."""
    frames, times = decoded(path)
    frames, count = frames[at_rate(times, seen["fps"], "shown")], seen["frames"]
    first = max(len(frames) - count, 0) // 2
    clip = frames[(first + np.arange(count)) % len(frames)]
    clip = middle(short_side(clip, int(seen["size"] / 0.875)), seen["size"])
    return np.moveaxis(((clip / 255 - seen["mean"]) / seen["std"]).astype(np.float32), -1, 0)[None]


def audio(path: str, sound: Any, bank: Any) -> Any:
    """The sound in the middle of a file, as the encoder hears it."""
    samples = heard(path, sound["rate"])
    first = max(len(samples) - sound["samples"], 0) // 2
    part = samples[first : first + sound["samples"]]
    return log_mel(np.pad(part, (0, sound["samples"] - len(part))), bank, sound)[None, None]


def main() -> None:
    """Print the most probable classes, or save the features beside the file."""
    folder, path = Path(__file__).parent, sys.argv[1]
    about, run = network(folder)
    given = {}
    if "pixels" in about:
        given["video"] = np.ascontiguousarray(video(path, about["pixels"]))
    if "sound" in about:
        given["audio"] = audio(path, about["sound"], np.load(folder / "mel.npy"))
    said = run(**given)
    if "logits" in said:
        logits = said["logits"][0]
        show_best(about["classes"], 1 / (1 + np.exp(-logits)) if about["several"] else softmax(logits))
    else:
        np.savez(f"{path}.npz", **said)
        print(f"{path}.npz: " + ", ".join(f"{name} {one.shape[1]}" for name, one in said.items()))


if __name__ == "__main__":
    main()
