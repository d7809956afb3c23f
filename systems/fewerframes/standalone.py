"""Say the labels of a video from its frame features, a row each, which model.json describes:

python predict.py frames.npy
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from models.standalone.best import show_best
from models.standalone.onnx_network import network


def main() -> None:
    """Print the most probable labels."""
    about, run = network(Path(__file__).parent)
    features, (count, width) = np.load(sys.argv[1]), about["inputs"][0]["shape"][1:]
    features = features[: about["frames"]["size"], :width]
    if len(features) > count:
        if about["frames"]["rule"] != "uniform":
            sys.exit(f"give the {count} frames that the rule '{about['frames']['rule']}' of model.json chooses")
        features = features[np.arange(count) * len(features) // count]
    frames = np.zeros((1, count, width), about["inputs"][0]["dtype"])
    frames[0, : len(features)] = features
    said = run(frames=frames, present=np.arange(count)[None] < len(features))
    show_best(about["labels"], said["probabilities"][0])


if __name__ == "__main__":
    main()
