"""Say the action of a video:

python predict.py clip.mp4
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from models.standalone.best import show_best, softmax
from models.standalone.onnx_network import network
from models.standalone.video import decoded, middle, short_side


def main() -> None:
    """Print the most probable classes."""
    about, run = network(Path(__file__).parent)
    seen = about["pixels"]
    if about["modality"] != "rgb":
        sys.exit("this network sees optical flow: give its clips to the network yourself, as model.json says")
    frames, _ = decoded(sys.argv[1])
    room = len(frames) - 1 - seen["frames"]
    first = (room + 1) // 2 if room >= 0 else 0
    clip = frames[(first + np.arange(seen["frames"])) % len(frames)]
    clip = middle(short_side(clip, seen["short"], smooth=False) if seen["short"] else clip, seen["size"])
    values = ((clip / 255 - seen["mean"]) / seen["std"]).astype(np.float32)
    logits = run(clips=np.ascontiguousarray(np.moveaxis(values, -1, 0)[None]))["logits"][0]
    show_best(about["classes"], softmax(logits.T).mean(0))


if __name__ == "__main__":
    main()
