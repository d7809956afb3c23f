"""From videos to shards: pictures, features, whitening, bytes, records; what was done once is not done again.

Features of each video are kept below ``<out>/.features`` under the digest of what made them, so a run that was killed goes on where it
was, and another whitening needs no decoding. The folder may be removed afterwards.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cache.digest import digest_file, digest_value
from cache.errors import ConfigError, DataError
from formats.tfrecord import RecordWriter
from formats.whitening import Whitening, fit
from formats.youtube8m import AUDIO, Video, encode_frames, quantise
from media.workers import run_killable
from pipeline.describe.seconds import Job, read_seconds

SHARD_VIDEOS = 1000
KEPT = ".features"
#: Frames from which a whitening is fitted, at most.
FITTED_ROWS = 50_000

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Own:
    """A video of the user: its id, where it is, its labels."""

    id: str
    path: Path
    labels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """How: ``width`` of the features in the records (0: the network's, at most 1024); ``whitening`` "fit", "none" or a folder."""

    partition: str = "train"
    width: int = 0
    whitening: str = "fit"
    most: int = 300
    timeout: float = 300.0
    workers: int = 1


@dataclass
class Result:
    """What came of it: shards, videos and frames written; lost videos with the reason."""

    shards: list[Path] = field(default_factory=list)
    videos: int = 0
    frames: int = 0
    lost: dict[str, str] = field(default_factory=dict)


class Network(Protocol):
    """What describes pictures: see :class:`pipeline.describe.network.Describer`."""

    name: str
    weights: str
    size: int
    width: int

    def __call__(self, pictures: npt.NDArray[np.uint8]) -> Floats: ...


def write_records(videos: Sequence[Own], out: Path, describer: Network, plan: Plan, progress: Callable[..., Any] | None = None) -> Result:
    """Write the shards below ``out/2/frame/<partition>``.

    Raises DataError if no video gives features, ConfigError if their width does not fit.
    """
    result = Result()
    features = out / KEPT / digest_value([describer.name, describer.weights, describer.size, plan.most])[:16]
    features.mkdir(parents=True, exist_ok=True)
    result.lost.update({video.id: why for video in videos if (why := _unreadable(video.path))})
    kept = {video.id: features / f"{digest_file(video.path)}.npy" for video in videos if video.id not in result.lost}
    _describe([video for video in videos if video.id in kept], kept, describer, plan, result, progress)
    good = [video for video in videos if video.id in kept and video.id not in result.lost]
    if not good:
        raise DataError("no video gives a feature", hint="; ".join(f"{id}: {why}" for id, why in list(result.lost.items())[:3]))
    whiten = _whitening(out, [kept[video.id] for video in good], plan, describer.width)
    folder = out / "2" / "frame" / plan.partition
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(0, len(good), SHARD_VIDEOS):
        path = folder / f"{plan.partition}{number // SHARD_VIDEOS:04d}.tfrecord"
        _write_shard(path, good[number : number + SHARD_VIDEOS], kept, whiten, result)
        result.shards.append(path)
    return result


def _unreadable(path: Path) -> str:
    """Why a file cannot be read, or ""."""
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file"
    except OSError as error:
        return os.strerror(error.errno or 0)
    if not stat.S_ISREG(kind):
        return "it is a directory" if stat.S_ISDIR(kind) else "it is no regular file"
    return "" if os.access(path, os.R_OK) else "it may not be read"


def _describe(
    videos: list[Own], kept: dict[str, Path], describer: Network, plan: Plan, result: Result, progress: Callable[..., Any] | None
) -> None:
    """Compute the features that are not kept yet; equal files once."""
    todo = {kept[video.id]: video for video in videos if not kept[video.id].exists()}
    jobs = [(video.id, Job(str(video.path), describer.size, plan.most)) for video in todo.values()]
    reasons: dict[Path, str] = {}
    with progress("describe", total=len(videos)) if progress else nullcontext() as bar:
        if bar is not None:
            bar.step(len(videos) - len(jobs))
        for done in run_killable(read_seconds, jobs, workers=plan.workers, timeout=plan.timeout) if jobs else ():
            path = kept[str(done.key)]
            if done.state == "done":
                _keep(path, describer(done.value))
            else:
                reasons[path] = done.reason
            if bar is not None:
                bar.step()
    result.lost.update({video.id: reasons[kept[video.id]] for video in videos if kept[video.id] in reasons})


def _keep(path: Path, rows: Floats) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    temporary.replace(path)


def _whitening(out: Path, kept: list[Path], plan: Plan, features: int) -> Whitening | Callable[[Floats], Floats]:
    """The step between features and bytes; a fitted whitening is written beside the shards, since its reversal needs it."""
    width = plan.width or min(features, 1024)
    if plan.whitening == "none":
        if width != features:
            raise ConfigError(f"without whitening the width is the network's, {features}, not {width}")
        return lambda rows: rows
    if width > features:
        raise ConfigError(f"{features} features cannot become {width}", hint=f"--width {features}")
    if plan.whitening != "fit":
        found = Whitening.load(Path(plan.whitening), width)
        if len(found.mean) != features:
            raise ConfigError(f"{plan.whitening} is for {len(found.mean)} features, the network gives {features}")
        return found
    whitening = fit(np.concatenate(list(_sample(kept))), width)
    (out / "yt8m_pca").mkdir(exist_ok=True)
    whitening.save(out / "yt8m_pca")
    return whitening


def _sample(kept: list[Path]) -> Iterator[Floats]:
    """Rows of evenly spaced videos, up to :data:`FITTED_ROWS`."""
    rows = 0
    for path in kept[:: max(1, len(kept) * 200 // FITTED_ROWS)]:
        yield (part := np.load(path, allow_pickle=False))
        rows += len(part)
        if rows >= FITTED_ROWS:
            return


def _write_shard(path: Path, videos: list[Own], kept: dict[str, Path], whiten: Callable[[Floats], Floats], result: Result) -> None:
    """Write one shard; it appears when it is whole."""
    temporary = path.with_suffix(".tmp")
    with RecordWriter(temporary) as writer:
        for video in videos:
            rgb = quantise(whiten(np.load(kept[video.id], allow_pickle=False)))
            labels = np.array(sorted(set(video.labels)), np.int64)
            writer.write(encode_frames(Video(video.id, labels, rgb, np.zeros((len(rgb), AUDIO), np.uint8))))
            result.videos += 1
            result.frames += len(rgb)
    temporary.replace(path)
