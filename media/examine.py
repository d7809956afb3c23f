"""What one media file is, found out in a worker process before hours of work depend on it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.digest import digest_file
from cache.errors import DataError
from cache.ledger import STATES
from cache.memo import DigestMemo
from cache.npy import Form, open_npy
from media.audio import Sound
from media.decode import Video
from media.outcome import MediaError

#: How sound is brought to how many samples a second here: it is no matter, and FFmpeg's way needs no other package.
HOW = "ffmpeg"
RATE = 16_000


@dataclass(frozen=True)
class Look:
    """One file to look at. ``decode``: every frame, not the first alone. ``memo``: the store's memo of digests, or "".

    ``streams``: what the file has to have, ``"video"``, ``"audio"`` or both. ``form``: it has to be such an array instead.
    """

    path: str
    decode: bool = False
    memo: str = ""
    streams: tuple[str, ...] = ("video",)
    form: Form | None = None


def examine(look: Look) -> dict[str, Any]:
    """The facts of a file, and the ledger state that the stages would give it as far as they tell.

    Keys: ``state``, ``reason``, ``size`` (bytes), ``digest``; of a file that opens also ``container`` and ``audio`` (its codec, or "");
    of a video ``codec``, ``width``, ``height``, ``rate``, ``header`` (frames that it promises) and ``count`` (frames that decode; None
    without ``decode``); of a sound ``rate`` (samples a second).
    """
    path = Path(look.path)
    facts: dict[str, Any] = {"state": "ok", "reason": ""}
    try:
        facts["size"] = path.stat().st_size
        facts["digest"] = _memo(look.memo).digest(path) if look.memo else digest_file(path)
        return facts | _held(look, path)
    except MediaError as error:
        return facts | {"state": error.state, "reason": error.reason}
    except FileNotFoundError:
        return facts | {"state": "missing", "reason": "the file is not there"}
    except OSError as error:
        return facts | {"state": "failed", "reason": f"the file cannot be read: {error.strerror}"}


def _held(look: Look, path: Path) -> dict[str, Any]:
    """What the file holds of what it has to hold; of a file with pictures and sound, the state is that of the worse of the two."""
    if look.form is not None:
        return _array(path, look.form)
    if "video" not in look.streams:
        return _sound(path, look.decode)
    film = _film(path, look.decode)
    if "audio" not in look.streams or STATES[film["state"]] == "lost":
        return film
    try:
        sound = _sound(path, look.decode)
    except MediaError as error:
        return film | {"state": error.state, "reason": error.reason}
    return film | {name: sound[name] for name in ("state", "reason") if film["state"] == "ok"}


def _array(path: Path, form: Form) -> dict[str, Any]:
    try:
        open_npy(path, "it", form=form)
    except DataError as error:
        raise MediaError("not_media", error.message) from error
    return {}


def _sound(path: Path, decode: bool) -> dict[str, Any]:
    """Of a file that has to have sound: the stream that FFmpeg takes itself, its first samples decoded, or all of them."""
    with Sound(path, RATE, HOW) as sound:
        for _ in sound.chunks():
            if not decode:
                break
        summary = sound.summary()
    state, reason = summary.verdict()
    if summary.count == 0:
        raise MediaError("undecodable", reason or "the sound stream holds no sample")
    return {"state": state, "reason": reason, "container": sound.kind, "audio": summary.codec, "rate": summary.source_rate}


def _film(path: Path, decode: bool) -> dict[str, Any]:
    with Video(path) as video:
        for _ in video.frames(()) if decode else video.frames():
            break
        summary = video.summary()
        state, reason = summary.verdict()
        if summary.count == 0:
            state, reason = "undecodable", reason or "the video stream holds no frame"
        elif not decode:
            state, reason = _by_header(video, summary.headless)
        return {
            "state": state,
            "reason": reason,
            "container": video.container,
            "codec": summary.codec,
            "audio": video.audio,
            "width": summary.width,
            "height": summary.height,
            "rate": summary.rate,
            "header": video.promised,
            "count": summary.count if decode else None,
        }


def _by_header(video: Video, headless: bool) -> tuple[str, str]:
    """What is wrong with a file of which only the first frame was decoded."""
    broken = video.structure()
    if broken:
        return "damaged", broken
    return ("damaged", "the stream does not begin with a key frame") if headless else ("ok", "")


@functools.lru_cache(maxsize=1)
def _memo(path: str) -> DigestMemo:
    return DigestMemo(Path(path))
