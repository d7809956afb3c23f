"""What one media file is, found out in a worker process before hours of work depend on it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.digest import digest_file
from cache.memo import DigestMemo
from media.decode import Video
from media.outcome import MediaError


@dataclass(frozen=True)
class Look:
    """One file to look at. ``decode``: every frame, not the first alone. ``memo``: the store's memo of digests, or ""."""

    path: str
    decode: bool = False
    memo: str = ""


def examine(look: Look) -> dict[str, Any]:
    """The facts of a file, and the ledger state that the sampler would give it as far as they tell.

    Keys: ``state``, ``reason``, ``size`` (bytes), ``digest``; of a file that opens also ``container``, ``codec``, ``audio``, ``width``,
    ``height``, ``rate``, ``header`` (frames that it promises) and ``count`` (frames that decode; None without ``decode``).
    """
    path = Path(look.path)
    facts: dict[str, Any] = {"state": "ok", "reason": ""}
    try:
        facts["size"] = path.stat().st_size
        facts["digest"] = _memo(look.memo).digest(path) if look.memo else digest_file(path)
        return facts | _media(path, look.decode)
    except MediaError as error:
        return facts | {"state": error.state, "reason": error.reason}
    except FileNotFoundError:
        return facts | {"state": "missing", "reason": "the file is not there"}
    except OSError as error:
        return facts | {"state": "failed", "reason": f"the file cannot be read: {error.strerror}"}


def _media(path: Path, decode: bool) -> dict[str, Any]:
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
