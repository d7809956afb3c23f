"""Tell the classes of videos from examples: a folder that holds a folder of videos for each class, and the videos to tell.

python predict.py examples clip.mp4 other.mp4
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from models.standalone.best import show_best, softmax
from models.standalone.onnx_network import network
from models.standalone.video import decoded, middle, short_side


def clip(path: str, seen: Any) -> Any:
    """What the network sees of a file: (T, 3, S, S)."""
    frames, _ = decoded(path)
    if len(frames) < seen["frames"]:
        sys.exit(f"{path} has {len(frames)} frames, and {seen['frames']} are needed")
    chosen = frames[np.arange(seen["frames"]) * (len(frames) - 1) // max(seen["frames"] - 1, 1)]
    pixels = middle(short_side(chosen, seen["short"]), seen["size"])
    return np.moveaxis(((pixels / 255 - seen["mean"]) / seen["std"]).astype(np.float32), -1, 1)


def main() -> None:
    """Print the classes of each video."""
    about, run = network(Path(__file__).parent)
    names = sorted(folder.name for folder in Path(sys.argv[1]).iterdir() if folder.is_dir())
    files = [(place, path) for place, name in enumerate(names) for path in sorted((Path(sys.argv[1]) / name).iterdir())]
    support, query = (
        np.ascontiguousarray(np.stack([clip(str(path), about["pixels"]) for path in paths]))
        for paths in ([path for _, path in files], sys.argv[2:])
    )
    said = run(support=support, members=np.eye(len(names), dtype=np.float32)[[place for place, _ in files]], query=query)
    for path, logits in zip(sys.argv[2:], said["logits"]):
        print(path)
        show_best(names, softmax(logits))


if __name__ == "__main__":
    main()
