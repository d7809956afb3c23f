"""``kdpipe make-records``: the user's own videos as frame features in the format of YouTube-8M."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pipeline.progress import Bars, mode


@click.command("make-records")
@click.argument("videos", type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Data root to write; a killed run goes on.")
@click.option("--partition", type=click.Choice(["train", "validate", "test"]), default="train", show_default=True)
@click.option("--backbone", default="small2d", show_default=True, help="Image network; kdpipe weights lists them.")
@click.option("--weights-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its weights (small2d brings its own).")
@click.option("--whitening", default="fit", show_default=True, help="'fit' on these videos, 'none', or a folder such as yt8m_pca.")
@click.option(
    "--width", type=click.IntRange(0), default=0, help="How many numbers describe a frame (default: the network's, at most 1024)."
)
@click.option(
    "--max-frames", type=click.IntRange(1), default=300, show_default=True, help="How many seconds of a video are described at most."
)
@click.option("--timeout", type=float, default=300.0, show_default=True, help="Seconds that reading one video may take.")
@click.option("--workers", type=click.IntRange(1), help="Reading processes (default: all cores).")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks.")
def make_records(
    videos: Path,
    out: Path,
    partition: str,
    backbone: str,
    weights_file: Path | None,
    whitening: str,
    width: int,
    max_frames: int,
    timeout: float,
    workers: int | None,
    verbose: bool,
) -> None:
    """Describe VIDEOS, a directory or a list of '<file>,<label>;<label>' lines, second by second, and write official TFRecords.

    Audio features are zeros, as the published extractor writes them without its sound network.
    """
    from pipeline.describe.listing import read_list
    from pipeline.describe.network import Describer
    from pipeline.describe.write import Own, Plan, write_records
    from stages.index import folder

    if videos.is_dir():
        own = [Own(video.id, videos / video.path) for video in folder.read(videos).videos]
    else:
        own = read_list(videos)
    cores = workers or len(os.sched_getaffinity(0))
    plan = Plan(partition, width, whitening, max_frames, timeout, cores)
    result = write_records(own, out, Describer(backbone, weights_file), plan, Bars("make-records", mode(False)))
    for video in own:
        if video.id in result.lost:
            click.echo(f"lost {video.path}: {result.lost[video.id]}", err=True)
    click.echo(f"{out}: {result.videos} videos, {result.frames} frames in {len(result.shards)} shard(s); {len(result.lost)} lost")
