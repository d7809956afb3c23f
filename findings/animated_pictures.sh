#!/usr/bin/env bash
# PyAV 18.1 (FFmpeg 8.1) opens an animated WebP as a single picture ("webp_pipe", one packet) and its decoder refuses it as invalid data; animated
# GIF and APNG come with all their pictures. An animated AVIF opens with two video streams, of which the first is the cover picture alone, and
# both are marked as the default: `streams.video[0]` gives one picture, `streams.best("video")` all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install av==18.1.0 numpy==2.4.6 pillow==12.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import av.stream
import PIL
from PIL import Image

print("av", av.__version__, "libavformat", av.library_versions["libavformat"], "Pillow", PIL.__version__)
pictures = [Image.new("RGB", (64, 48), (20 * n, 0, 0)) for n in range(10)]
seen = {}
for name in ("a.webp", "a.gif", "a.png", "a.avif"):
    pictures[0].save(name, save_all=True, append_images=pictures[1:], duration=100, **({"lossless": True} if name == "a.webp" else {}))
    counts = []
    for choose in (lambda streams: streams.video[0], lambda streams: streams.best("video")):
        with av.open(name) as container:
            kind = container.format.name.partition(",")[0]
            try:
                counts.append(sum(1 for _ in container.decode(choose(container.streams))))
            except av.error.InvalidDataError:
                counts.append("invalid data")
    seen[name] = (kind, *counts)
    print(f"{name:7} container {kind}; pictures of the first stream: {counts[0]}; of the best: {counts[1]}")
with av.open("a.avif") as container:
    default = [bool(stream.disposition & av.stream.Disposition.default) for stream in container.streams.video]
print("a.avif  marked as the default, stream by stream:", default)
as_described = default == [True, True] and seen == {
    "a.webp": ("webp_pipe", "invalid data", "invalid data"),
    "a.gif": ("gif", 10, 10),
    "a.png": ("apng", 10, 10),
    "a.avif": ("mov", 1, 10),
}
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PYTHON
