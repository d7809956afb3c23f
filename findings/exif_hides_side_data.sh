#!/usr/bin/env bash
# PyAV 18.1 (FFmpeg 8.1): reading the side data of a picture raises ValueError where FFmpeg gives a kind that PyAV has no name for.
# Exif is one: MJPEG from cameras carries it in every picture, and PNG may. So the display matrix cannot be read either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install av==18.1.0 numpy==2.3.5 pillow==12.0.0
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import io, sys
import av
from PIL import Image

print("PyAV", av.__version__, "libavcodec", av.library_versions["libavcodec"])


def film(name, with_exif):
    exif = Image.Exif()
    if with_exif:
        exif[0x0110] = "a camera"
    with av.open(name, "w") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(3):
            Image.new("RGB", (64, 48), (number * 80, 0, 0)).save(data := io.BytesIO(), "JPEG", exif=exif)
            packet = av.Packet(data.getvalue())
            packet.stream, packet.time_base, packet.is_keyframe = stream, stream.time_base or 1 / stream.average_rate, True
            packet.pts = packet.dts = number
            out.mux(packet)
    with av.open(name) as file:
        try:
            return [len(frame.side_data) for frame in file.decode(video=0)]
        except ValueError as error:
            return f"ValueError: {error}"


plain, marked = film("plain.mov", False), film("exif.mov", True)
print("side data of pictures without Exif:", plain)
print("side data of pictures with Exif:   ", marked)
sys.exit(not (plain == [0, 0, 0] and str(marked).endswith("is not a valid Type")))
PYTHON
