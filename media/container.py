"""Open a container: by what it holds, never by what it is called, and nothing beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from media import flv, matroska, ogg, program, transport
from media.film import refuse_still
from media.outcome import MediaError

#: Formats that are lists of other files or renderings of text: never media of a dataset, and a way to read foreign files.
REFUSED = frozenset({"hls", "concat", "dash", "imf", "tty", "lavfi", "sdp", "rtsp", "image2"})

#: Container -> what says whether its structure is broken, of those that FFmpeg passes over in silence.
STRUCTURE: dict[str, Callable[[Path], str]] = {
    "matroska": matroska.damage,
    "mpegts": transport.damage,
    "flv": flv.damage,
    "mpeg": program.damage,
    "ogg": ogg.damage,
}


def open_container(path: Path | str, **options: str) -> Any:
    """Open a file for reading; ``options`` are the demuxer's.

    FFmpeg is given a descriptor and no name: an ending cannot change what it takes the file for, so that equal files have equal rows,
    no hostile name (``concat:a|b``) is a protocol, and no hostile content (a playlist) reaches another file or the network.
    Raises MediaError ``missing``, ``empty``, ``not_media``, ``undecodable`` or ``failed``.
    """
    try:
        if Path(path).is_file() and Path(path).stat().st_size == 0:
            raise MediaError("empty", "the file has no bytes")
        descriptor = os.open(path, os.O_RDONLY)
        try:
            asked = {"protocol_whitelist": "fd", "fd": str(descriptor), **options}
            container = av.open("fd:", options=asked, metadata_errors="replace")
        finally:
            os.close(descriptor)  # FFmpeg has a copy
    except FileNotFoundError as error:
        raise MediaError("missing", "the file is not there") from error
    except PermissionError as error:
        raise MediaError("failed", "the file may not be read") from error
    except FFmpegError as error:
        raise MediaError("not_media", f"no container that can be opened: {reason(error)}") from error
    except OSError as error:
        raise MediaError("failed", f"the file cannot be read: {error.strerror}") from error
    try:
        refuse_still(container, Path(path))
        if REFUSED & set(container.format.name.split(",")):
            raise MediaError("not_media", f"a file of the kind '{container.format.name}' is no video file")
    except BaseException:
        container.close()
        raise
    return container


def kind(container: Any) -> str:
    """A container's kind, as FFmpeg names it: ``"mov"``, ``"avi"``, ``"matroska"``, ``"mpegts"`` ..."""
    return str(container.format.name.partition(",")[0])


def structure(path: Path, kind: str) -> str:
    """What is broken in a container's structure that FFmpeg passes over in silence, or ""; decodes nothing."""
    check = STRUCTURE.get(kind)
    return check(path) if check is not None else ""


def reason(error: FFmpegError) -> str:
    """What FFmpeg says, without the name of the file."""
    return str(error.strerror or type(error).__name__)  # never str(error): it holds the name
