"""Which stream of a container is its film, and which files hold a picture and no film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from av.stream import Disposition

from media.outcome import MediaError

#: Pictures that go with something else: cover art, the little pictures of a player's time line.
BESIDE = Disposition.attached_pic | Disposition.timed_thumbnails
#: Brands of a file of pictures (ISO/IEC 23008-12); one of the brand ``avis`` or ``hevc`` holds a sequence besides.
STILL_BRANDS = frozenset({"avif", "mif1", "heic", "heix"})
#: Formats of FFmpeg beside its ``*_pipe`` that hold pictures which do not move.
STILL_FORMATS = frozenset({"ico", "fits"})
#: Of an extended WebP: where its flags are, and which of them says that it moves.
WEBP_FLAGS, WEBP_MOVES = 20, 0x02


def film(container: Any) -> Any:
    """The video stream of an open container that FFmpeg takes itself (``av_find_best_stream``), never one of :data:`BESIDE`.

    That is the stream marked as the default, of several or none the one of which more pictures were seen at the beginning (up to
    five), then the one of the higher bit rate, then the first; a stream without a decoder only if there is no other.
    Raises MediaError ``not_media``, ``no_video`` or ``undecodable``.
    """
    streams = [s for s in container.streams.video if not s.disposition & BESIDE]
    if not streams:
        kinds = sorted({s.type for s in container.streams} & {"video", "audio", "subtitle"})
        if not kinds:
            raise MediaError("not_media", "a container without a stream that can be read: it may be cut off or damaged")
        raise MediaError("no_video", f"no video stream, only {', '.join('cover art' if k == 'video' else k for k in kinds)}")
    decodable = [s for s in streams if s.codec_context is not None]
    if not decodable:
        raise MediaError("undecodable", "no decoder for the video stream's codec")
    best = container.streams.best("video")
    if best in decodable:
        return best
    return next((s for s in decodable if s.disposition & Disposition.default), decodable[0])


def refuse_still(container: Any, path: Path) -> None:
    """Raise MediaError if the container is a picture: ``not_media``, or ``undecodable`` for one that moves and has no decoder."""
    kind = container.format.name
    if kind == "webp_pipe" and _moves(path):
        raise MediaError("undecodable", "an animated WebP, which this FFmpeg cannot decode: convert it to a GIF, an APNG or a video")
    if kind.endswith("_pipe") or kind in STILL_FORMATS:
        raise MediaError("not_media", f"a still picture ({kind.removesuffix('_pipe')}), not a video")
    brand = container.metadata.get("major_brand", "").strip()
    if brand in STILL_BRANDS and all(s.frames <= 1 for s in container.streams):
        raise MediaError("not_media", f"a still picture ({brand}), not a video")


def _moves(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(WEBP_FLAGS + 1)
    return head[8:16] == b"WEBPVP8X" and len(head) > WEBP_FLAGS and bool(head[WEBP_FLAGS] & WEBP_MOVES)
