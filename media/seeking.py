"""Read chosen frames with torchcodec (FFmpeg's libraries of the system, or NVDEC), within the contract of :mod:`media.decode`.

torchcodec numbers the packets, passes over damage in silence and shows no flag of a decoder. So PyAV decodes the video too, and
converts nothing: count, times, size and state are its own. torchcodec then gives the pixels of the wanted frames, which it seeks; every
frame must carry the very stamp of its number. A damaged video, or one that torchcodec sees otherwise, is left to PyAV.
"""

from __future__ import annotations

import dataclasses
import importlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from cache.errors import ConfigError
from media import decode
from media.decode import Choose, Frame, Video
from media.outcome import Summary

T = TypeVar("T")

#: Pixels that are fetched at a time, in one picture or several.
PIXELS_AT_ONCE = 1 << 24
#: Stamps are fractions that both sides turn into seconds: this much, in seconds, is rounding.
ROUNDING = 1e-6


class UnlikeError(Exception):
    """torchcodec does not see this video as PyAV does."""


def require(device: str = "cpu") -> None:
    """Raise ConfigError unless torchcodec is here and works, and for ``cuda`` a device."""
    try:
        importlib.import_module("torchcodec.decoders")
    except ImportError as error:
        raise ConfigError(
            "decode: torchcodec is not installed", hint="pip install 'kdpipe[torchcodec]', or --set sample.decode=pyav"
        ) from error
    except RuntimeError as error:  # it found no FFmpeg that it knows
        raise ConfigError(
            "decode: torchcodec does not load: it needs shared libraries of FFmpeg (4 to 9) on the system",
            hint="install FFmpeg (Debian: apt-get install ffmpeg), or --set sample.decode=pyav",
        ) from error
    if device != "cpu" and not importlib.import_module("torch").cuda.is_available():
        raise ConfigError(f"decode: there is no device {device} to decode on", hint="--set sample.decode=torchcodec decodes on the CPU")


def read_chosen(
    path: Path | str,
    choose: Choose,
    keep: Callable[[Frame], T],
    *,
    threads: int = 1,
    device: str = "cpu",
) -> tuple[Summary, dict[int, T]]:
    """As :func:`media.decode.read_chosen`; ``Summary.pixels`` names torchcodec where the pixels are its own."""
    try:
        survey = _survey(path, threads)
        wanted = sorted({int(number) for number in choose(survey.summary.count, survey.times) or ()})
        kept = {frame.number: keep(frame) for frame in _frames(path, survey, wanted, threads, device)}
    except UnlikeError:
        return decode.read_chosen(path, choose, keep, threads=threads)
    return dataclasses.replace(survey.summary, pixels=_version(device)), kept


def read_chosen_cuda(path: Path | str, choose: Choose, keep: Callable[[Frame], T], *, threads: int = 1) -> tuple[Summary, dict[int, T]]:
    """The same, decoded and converted by the GPU where it knows the codec."""
    return read_chosen(path, choose, keep, threads=threads, device="cuda")


@dataclasses.dataclass(frozen=True)
class _Survey:
    """What PyAV saw of a video: the facts, and of every frame its time and its own stamp, in seconds."""

    summary: Summary
    index: int
    times: array[float]
    stamps: array[float]


def _survey(path: Path | str, threads: int) -> _Survey:
    """Decode a video without converting it. Raises UnlikeError if torchcodec could not give its frames, or tell them apart."""
    stamps = array("d")
    with Video(path, threads=threads) as video:
        for place in video.places():
            if place.stamp is None or (stamps and place.stamp <= stamps[-1]):
                raise UnlikeError("stamps do not tell the frames apart")
            if place.turn.mirrored or place.size != video.size:
                raise UnlikeError("torchcodec knows no mirrored frames, and gives all frames one size")
            stamps.append(place.stamp)
        summary = video.summary()
    if summary.count == 0 or summary.verdict()[0] == "damaged":
        raise UnlikeError("what can be saved, PyAV saves")
    return _Survey(summary, video.index, video.times, stamps)


def _frames(path: Path | str, survey: _Survey, wanted: list[int], threads: int, device: str) -> Iterator[Frame]:
    """The wanted frames, some at a time. Raises UnlikeError if one is not the frame that its number and stamp say."""
    decoder = _opened(path, survey.index, threads, device)
    width, height = survey.summary.width, survey.summary.height
    if len(decoder) != survey.summary.count:
        raise UnlikeError(f"{survey.summary.count} frames decode, torchcodec counts {len(decoder)}")
    step = max(1, PIXELS_AT_ONCE // (width * height))
    for at in range(0, len(wanted), step):
        numbers = wanted[at : at + step]
        stamps, images = _fetched(decoder, numbers)
        for number, stamp, image in zip(numbers, stamps, images, strict=True):
            if abs(stamp - survey.stamps[number]) > ROUNDING or image.shape != (height, width, 3):
                raise UnlikeError(f"frame {number} is another one")
            yield Frame(number, survey.times[number], image)


def _opened(path: Path | str, index: int, threads: int, device: str) -> Any:
    decoders = importlib.import_module("torchcodec.decoders")
    name = str(Path(path).absolute())  # no name can be taken for a protocol then
    try:
        return decoders.VideoDecoder(name, stream_index=index, dimension_order="NHWC", num_ffmpeg_threads=threads, device=device)
    except (RuntimeError, ValueError, IndexError) as error:
        raise UnlikeError(str(error)) from error


def _fetched(decoder: Any, numbers: list[int]) -> tuple[list[float], Any]:
    """Stamps in seconds and pictures uint8 (N, H, W, 3) of some frames."""
    try:
        batch = decoder.get_frames_at(numbers)
    except (RuntimeError, ValueError, IndexError) as error:
        raise UnlikeError(str(error)) from error
    return batch.pts_seconds.tolist(), batch.data.cpu().numpy()


def _version(device: str) -> str:
    torchcodec = importlib.import_module("torchcodec")
    return f"torchcodec {torchcodec.__version__}, FFmpeg {torchcodec.ffmpeg_major_version}, {device}"
