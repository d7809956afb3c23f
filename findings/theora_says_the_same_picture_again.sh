#!/usr/bin/env bash
# libtheora writes a packet of no bytes where a picture is the same as the one before (the format means that by it). Ogg keeps such packets and
# Matroska drops them. PyAV 18.1 gives them to the decoder, which refuses each as an invalid argument; FFmpeg's own command passes over them
# without a word. Who counts refused packets as damage calls every still film in Ogg damaged, and the same film in Matroska whole.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install av==18.1.0 numpy==2.4.6 imageio-ffmpeg==0.8.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys

import av
import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def ffmpeg(*arguments):
    return subprocess.run([FFMPEG, "-v", "error", *arguments], check=True, capture_output=True, text=True)


print("av", av.__version__, "libavcodec", av.library_versions["libavcodec"], "ffmpeg", imageio_ffmpeg.get_ffmpeg_version())
still = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=0.04", "-vf", "loop=23:1")
ffmpeg(*still, "-c:v", "libtheora", "-g", "12", "-q:v", "7", "a.ogv")
ffmpeg("-i", "a.ogv", "-c", "copy", "a.mkv")
seen = {}
for name in ("a.ogv", "a.mkv"):
    pictures = refused = empty = 0
    with av.open(name) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.dts is None:
                continue
            empty += not packet.size
            try:
                pictures += len(stream.codec_context.decode(packet))
            except av.error.ArgumentError:
                refused += 1
    command = ffmpeg("-i", name, "-fps_mode", "passthrough", "-f", "framemd5", "-")
    lines = [line for line in command.stdout.splitlines() if not line.startswith("#")]
    seen[name] = (pictures, empty, refused, len(lines), command.stderr)
    print(f"{name}: PyAV {pictures} pictures, {empty} packets without bytes, {refused} refused; ffmpeg {len(lines)} pictures, says {command.stderr!r}")
as_described = seen == {"a.ogv": (2, 22, 22, 2, ""), "a.mkv": (2, 0, 0, 2, "")}
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PYTHON
