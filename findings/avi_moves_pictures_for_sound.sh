#!/usr/bin/env bash
# PyAV 18.1 (FFmpeg 8.1): the muxer of AVI keeps no time below 0. The delay of an MP3 encoder (1105 samples) moves all streams: the sound comes 25 ms
# late, the pictures are moved by as much rounded up to a whole frame, except the first one, which stays in the first chunk; the next chunk is
# empty. So at 10 frames a second the sound is 75 ms early, and no stamp, no start_time, no warning tells. With PCM nothing moves.
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

RATE, AT = 44_100, 1.0  # a white picture and a click, both at one second


def write(path, codec):
    with av.open(path, "w") as out:
        film, sound = out.add_stream("mpeg4", rate=10, options={"bf": "0"}), out.add_stream(codec, rate=RATE, layout="mono")
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        wave = np.zeros(2 * RATE, np.int16)
        wave[int(AT * RATE) : int(AT * RATE) + 40] = 30_000
        convert = av.AudioResampler(format=sound.codec_context.format.name, layout="mono", rate=RATE)
        done = 0
        for number in range(20):
            while done < (number + 1) * RATE // 10:
                frame = av.AudioFrame.from_ndarray(wave[None, done : done + 1152], format="s16", layout="mono")
                frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), done
                for part in convert.resample(frame):
                    out.mux(sound.encode(part))
                done += 1152
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255 * (number == 10), np.uint8))
            picture.pts, picture.time_base = number, Fraction(1, 10)
            out.mux(film.encode(picture))
        out.mux(film.encode(None))
        out.mux(sound.encode(None))


def read(path):
    with av.open(path) as file:
        starts = [stream.start_time for stream in file.streams]
        chunks = [packet.dts for packet in file.demux(video=0) if packet.size]
    with av.open(path) as file:
        flash = next(chunk for chunk, frame in zip(chunks, file.decode(video=0)) if frame.to_ndarray(format="gray").mean() > 128) / 10
    with av.open(path) as file:
        samples = np.concatenate([frame.to_ndarray().ravel().astype(float) for frame in file.decode(audio=0)])
    return flash, int(np.abs(samples).argmax()) / RATE, chunks[:3], starts


print("av", av.__version__, "libavformat", av.library_versions["libavformat"])
seen = {}
for codec in ("pcm_s16le", "libmp3lame"):
    write(f"{codec}.avi", codec)
    flash, click, chunks, starts = read(f"{codec}.avi")
    print(f"{codec}: white at {flash:.3f} s, click at {click:.3f} s, first chunks with bytes {chunks}, start_time {starts}")
    seen[codec] = (round((click - flash) * 1000), chunks, starts)
same = seen["pcm_s16le"][1:] == ([0, 1, 2], [0, 0]) and abs(seen["pcm_s16le"][0]) <= 2
moved = seen["libmp3lame"][1:] == ([0, 2, 3], [0, 0]) and abs(seen["libmp3lame"][0] + 75) <= 2
sys.exit(not (same and moved))
PYTHON
