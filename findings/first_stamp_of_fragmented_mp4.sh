#!/usr/bin/env bash
# PyAV 18.1 (FFmpeg 8.1): in a fragmented MP4 (empty_moov) whose film has B-frames, FFmpeg's muxer stamps the first packet of AAC with 0 and moves all
# others by the delay of the B-frames less that of AAC: 59 ms at 25 frames a second. The sound has no hole there. Who takes the start of the
# stream, or its first stamp, for the time of the sound and joins the samples hears everything but the first 21 ms too early by that much.
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

RATE = 48_000


def stamps(path, options):
    with av.open(path, "w", options=options) as out:
        film, sound = out.add_stream("libx264", rate=25, options={"bf": "2"}), out.add_stream("aac", rate=RATE, layout="mono")
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        done = 0
        for number in range(25):
            while done < (number + 1) * RATE // 25:
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), done
                out.mux(sound.encode(frame))
                done += 1024
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8))
            picture.pts, picture.time_base = number, Fraction(1, 25)
            out.mux(film.encode(picture))
        out.mux(film.encode(None))
        out.mux(sound.encode(None))
    with av.open(path) as file:
        stream = file.streams.audio[0]
        found = [round(float(packet.pts * packet.time_base) * 1000, 1) for packet in file.demux(stream) if packet.size]
    return found[:4]


print("av", av.__version__, "libavformat", av.library_versions["libavformat"])
whole, parts = stamps("whole.mp4", {}), stamps("parts.mp4", {"movflags": "frag_keyframe+empty_moov"})
print("milliseconds of the first packets of sound, an MP4 with its index:", whole)
print("the same in fragments:                                           ", parts)
steps = [round(later - sooner, 1) for sooner, later in zip(parts, parts[1:])]
print("a packet lasts 21.3; from each to the next:", steps)
sys.exit(not (steps[0] > 60 and all(abs(step - 21.3) < 0.2 for step in steps[1:]) and all(abs(b - a - 21.3) < 0.2 for a, b in zip(whole, whole[1:]))))
PYTHON
