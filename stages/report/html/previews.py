"""Small pictures of what the networks saw and heard, each named by its content: what an older page has is not made again."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError, StoreError
from models.evaluation.record import Sort
from stages.report.html.finished import Opened, Sampled, View
from stages.report.html.gather import Asked

if TYPE_CHECKING:
    from PIL.Image import Image

#: A picture: so many frames at the most, so wide and high in pixels at the most, each shown for so long.
FRAMES, SIZE, MILLISECONDS = 16, (240, 180), 250
#: Of several modalities: so large each, so many beside one another (four are two rows).
PART, BESIDE = (180, 135), 3
#: A still beside a line of text.
THUMBNAIL = (96, 72)
#: Part of every name: raise it when other pictures are made of the same frames.
FORM = 1


def write(folder: Path, old: Path, asked: Asked, views: Sequence[View], sorts: Sequence[Sort], most: int) -> dict[str, str]:
    """Make pictures of ``most`` videos at the most, those of the items that a reader meets first; returns the name of each by video.

    ``old`` is the folder of an older page. A video whose frames are not in the store any more has none.
    """

    def named(video: str) -> str | None:
        found = seen(views, video)
        parts = [found[0].digests[video]] if len(found) == 1 else [f"{view.name} {view.digests[video]}" for view in found]
        return _name(" ".join(parts)) if found else None

    return kept(folder, old, first_met(asked, sorts), most, named, lambda video: moving_picture(seen(views, video), video))


def thumbnails(folder: Path, old: Path, videos: Iterable[str], views: Sequence[View], most: int) -> dict[str, str]:
    """Make stills of ``most`` of these videos at the most, in the first modality; returns the name of each by video."""

    def named(video: str) -> str | None:
        return _name(f"still {views[0].digests[video]}") if views and video in views[0].digests else None

    return kept(folder, old, videos, most, named, lambda video: still(views[0].open(video)))


def kept(
    folder: Path, old: Path, videos: Iterable[str], most: int, named: Callable[[str], str | None], made: Callable[[str], bytes]
) -> dict[str, str]:
    """Fill ``folder/previews`` with a file of each video, in order, until there are ``most``; returns their names by video.

    ``named`` says how the file of a video is called (None: it has none), ``made`` what is in it, and raises StoreError or DataError where
    that is lost. A file that ``old/previews`` has already is copied.
    """
    found: dict[str, str] = {}
    for video in videos:
        if len(found) >= most:
            break
        name = named(video) if video not in found else None
        if name is None:
            continue
        path = folder / "previews" / name
        path.parent.mkdir(exist_ok=True)
        if (old / "previews" / name).is_file():
            shutil.copyfile(old / "previews" / name, path)
        elif not path.is_file():
            try:
                path.write_bytes(made(video))
            except (StoreError, DataError):
                continue
        found[video] = name
    return found


def first_met(asked: Asked, sorts: Sequence[Sort]) -> Iterator[str]:
    """Videos in the order in which a reader meets them: in the first seed the first of every sort, then the second …, then the rest."""
    seed = asked.seeds[0]
    named = [([asked.right[seed, name] for name in sort.right], [asked.right[seed, name] for name in sort.wrong]) for sort in sorts]
    queues = [
        (row for row in range(len(asked)) if all(one[row] == 1 for one in right) and all(one[row] == 0 for one in wrong))
        for right, wrong in named
    ]
    for rows in zip_longest(*queues):
        yield from (asked.videos[row] for row in rows if row is not None)
    yield from asked.videos


def seen(views: Sequence[View], video: str) -> list[View]:
    """The modalities in which there is a video."""
    return [view for view in views if video in view.digests]


def frames_of(sampled: Sampled) -> View:
    """Sampled frames as a modality."""

    def opened(video: str) -> Opened:
        from media.frames import decode_payload, read_payload

        frames = decode_payload(read_payload(sampled.items, *sampled.rows[video]))
        return Opened(np.unique(frames.index), frames.images)

    return View("RGB", {video: digest for video, (_, digest) in sampled.rows.items()}, opened)


def moving_picture(views: Sequence[View], video: str) -> bytes:
    """An animated WebP of frames of a video, evenly chosen among those of the first modality, in all of these modalities side by side.

    Raises StoreError if they are not what was recorded, DataError if they are no pictures of three colours.
    """
    found = [(view.name, view.open(video)) for view in views]
    pictures = []
    for number in _chosen(found[0][1].numbers):
        parts = [(name, _pixels(opened, number)) for name, opened in found]
        pictures.append(_fitted(parts[0][1], SIZE) if len(parts) == 1 else _side_by_side(parts))
    buffer = io.BytesIO()
    first, *rest = pictures
    first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=MILLISECONDS, loop=0, quality=60, method=2)
    return buffer.getvalue()


def still(opened: Opened) -> bytes:
    """The frame in the middle, as a small WebP."""
    buffer = io.BytesIO()
    _fitted(_pixels(opened, int(opened.numbers[len(opened.numbers) // 2])), THUMBNAIL).save(buffer, "WEBP", quality=60, method=2)
    return buffer.getvalue()


def _name(content: str) -> str:
    return hashlib.sha256(f"{FORM} {content}".encode()).hexdigest()[:32] + ".webp"


def _chosen(numbers: npt.NDArray[np.integer]) -> list[int]:
    places = np.linspace(0, len(numbers) - 1, min(FRAMES, len(numbers))).round().astype(int)
    return [int(number) for number in numbers[places]]


def _pixels(opened: Opened, number: int) -> npt.NDArray[np.uint8]:
    """The picture of the frame nearest to a number."""
    pixels = opened.picture(int(opened.numbers[np.abs(opened.numbers.astype(np.int64) - number).argmin()]))
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DataError("the frames have no three colours")
    return pixels


def _fitted(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> Image:
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail(size)
    return picture


def _side_by_side(parts: Sequence[tuple[str, npt.NDArray[np.uint8]]]) -> Image:
    """Pictures in rows, each with the name of its modality in a corner."""
    from PIL import Image, ImageDraw, ImageFont

    pictures = [_fitted(pixels, PART) for _, pixels in parts]
    columns = len(parts) if len(parts) <= BESIDE else 2
    width, height = (max(picture.size[side] for picture in pictures) for side in (0, 1))
    sheet = Image.new("RGB", (columns * width, -(-len(parts) // columns) * height), (20, 23, 27))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for place, ((name, _), picture) in enumerate(zip(parts, pictures)):
        corner: Any = (place % columns * width, place // columns * height)
        sheet.paste(picture, corner)
        left, top, right, bottom = pen.textbbox((corner[0] + 4, corner[1] + 2), name, font=font)
        pen.rectangle((left - 4, top - 2, right + 3, bottom + 2), fill=(20, 23, 27))
        pen.text((corner[0] + 4, corner[1] + 2), name, fill=(255, 255, 255), font=font)
    return sheet
