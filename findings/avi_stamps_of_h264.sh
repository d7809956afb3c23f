#!/usr/bin/env bash
# PyAV 18.1 (FFmpeg 8.1) stamps the packets of H.264 in AVI one frame late (pts = the dts of the packet after, the last one's + 1), also without
# B-frames, where nothing is reordered; MPEG-4 and MJPEG in the same container are right. No stamp is None and nothing warns. With B-frames the
# stamps of the pictures go back and forth. The decoding stamps are the numbers of the chunks: those, in order, are the times.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from fractions import Fraction

import av
import numpy as np


def write(path, codec, pix_fmt, options):
    with av.open(path, "w") as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.options = 64, 48, pix_fmt, options
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 16 * number, np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def read(path):
    with av.open(path) as container:
        packets = [(p.pts, p.dts) for p in container.demux(video=0) if p.size]
    with av.open(path) as container:
        return packets, [frame.pts for frame in container.decode(video=0)]


print("av", av.__version__, "libavformat", av.library_versions["libavformat"])
seen = {}
for name, codec, pix_fmt, options in (
    ("mjpeg", "mjpeg", "yuvj420p", {}),
    ("mpeg4", "mpeg4", "yuv420p", {"bf": "0"}),
    ("h264", "libx264", "yuv420p", {"bf": "0"}),
    ("h264, B-frames", "libx264", "yuv420p", {"bf": "2"}),
):
    write("a.avi", codec, pix_fmt, options)
    packets, pictures = seen[name] = read("a.avi")
    print(f"{name:15} packets (pts, dts) {packets}\n{'':15} pictures, in the order in which they are shown {pictures}")
right = list(range(8))
late = [n + 1 for n in right]
as_described = (
    all([dts for _, dts in packets] == right for packets, _ in seen.values())
    and seen["mjpeg"][1] == seen["mpeg4"][1] == right
    and seen["h264"][1] == late
    and seen["h264, B-frames"][1] != sorted(seen["h264, B-frames"][1])
)
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PYTHON
