"""A page of pictures of the world: ``python -m world.contact_sheet OUT.png [--seed N] [--rows N] [--actions | --sounding]``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from world.clips import Clip, make_clips, title
from world.figure import keypoints
from world.plan import HEIGHT, RATE, WIDTH, Plan, make_plan
from world.questions import ask
from world.render import Film, draw, stage_film
from world.sounding import CLASSES, SoundingClip, make_sounding

#: moments of each video that are shown, as fractions of its length
MOMENTS = (0.1, 0.36, 0.62, 0.88)
CAPTION = 13
EDGES = ((5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (11, 12), (5, 11), (6, 12), (11, 13), (13, 15), (12, 14), (14, 16))


def contact_sheet(out: Path, seed: int = 0, rows: int = 12, skeleton: bool = True, actions: bool = False, sounding: bool = False) -> None:
    """Write ``rows`` x 2 videos, four moments each with one of their questions, as a PNG (or JPEG, by suffix).

    The videos are chosen so that the scenes take turns. ``skeleton`` draws the true keypoints into the last picture. ``actions``: of the
    world of actions instead, one clip of each class with its name, as many classes as there is room for; ``sounding``: of the world of
    clips that are seen and heard, with the sound as well.
    """
    if sounding:
        shown = _of_each_sounding(seed, 2 * rows)
        strips = [_strip(stage_film(clip.plan), f"{clip.kind.name} ({clip.kind.sound})", skeleton) for clip in shown]
    elif actions:
        strips = [_strip(stage_film(clip.plan), title(clip.action), skeleton) for clip in _of_each_class(seed, 2 * rows)]
    else:
        films = [stage_film(plan) for plan in _varied(seed, 2 * rows)]
        strips = [_strip(film, _question(film, seed), skeleton) for film in films]
    width, height = len(MOMENTS) * WIDTH, HEIGHT + CAPTION
    sheet = Image.new("RGB", (2 * width + 6, rows * (height + 3)), (250, 250, 250))
    for i, strip in enumerate(strips):
        sheet.paste(strip, ((i % 2) * (width + 6), (i // 2) * (height + 3)))
    if out.suffix.lower() == ".png":
        sheet = sheet.quantize(224, dither=Image.Dither.NONE)
    sheet.save(out, optimize=True)


def _varied(seed: int, number: int) -> list[Plan]:
    plans: list[Plan] = []
    index = 0
    while len(plans) < number:
        plan = make_plan(seed, index)
        recent = [p.scene for p in plans[-5:]]
        if plan.scene not in recent and sum(p.night for p in plans) <= 0.4 * len(plans) + (not plan.night):
            plans.append(plan)
        index += 1
    return plans


def _of_each_class(seed: int, number: int) -> list[Clip]:
    """One clip of each class, of groups by turns; ``number`` of them, from the whole of the classes."""
    clips = list(make_clips(seed, "small"))
    names = sorted({clip.action for clip in clips}, key=title)
    chosen = [names[i * len(names) // number] for i in range(number)] if number < len(names) else names
    return [next(clip for clip in clips if clip.action == name and clip.group == 1 + i % 4) for i, name in enumerate(chosen)]


def _of_each_sounding(seed: int, number: int) -> list[SoundingClip]:
    """The first clip of each class, of groups by turns; ``number`` of them."""
    clips = {(clip.kind.name, clip.group): clip for clip in make_sounding(seed, "small")}
    return [clips[kind.name, 1 + i % 4] for i, kind in enumerate(CLASSES[:number])]


def _question(film: Film, seed: int) -> str:
    question = max(ask(film, seed), key=lambda q: q.family in ("action", "order", "who-order", "times"))
    return f"{question.question}  {question.answer}"


def _strip(film: Film, caption: str, skeleton: bool) -> Image.Image:
    plan = film.plan
    frames = list(draw(film))
    moments = [int(m * (plan.frames - 1)) for m in MOMENTS]
    strip = Image.new("RGB", (len(moments) * WIDTH, HEIGHT + CAPTION), (250, 250, 250))
    pen = ImageDraw.Draw(strip)
    for k, t in enumerate(moments):
        strip.paste(Image.fromarray(frames[t]), (k * WIDTH, 0))
    if skeleton:
        t = moments[-1]
        for moving in film.actors:
            points = film.shots.at(keypoints(moving)[t], t) + np.array([(len(moments) - 1) * WIDTH, 0])
            for a, b in EDGES:
                if points[[a, b], 0].min() > (len(moments) - 1) * WIDTH:
                    pen.line([tuple(points[a]), tuple(points[b])], fill=(90, 255, 120), width=1)
    pen.text((3, HEIGHT), f"{plan.frames / RATE:.1f} s   {caption}", fill=(40, 40, 40))
    return strip


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m world.contact_sheet", description="Draw a contact sheet of the embedded world.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=8)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--actions", action="store_true", help="clips of the world of actions")
    which.add_argument("--sounding", action="store_true", help="clips that are seen and heard")
    options = parser.parse_args(arguments)
    contact_sheet(options.out, options.seed, options.rows, actions=options.actions, sounding=options.sounding)


if __name__ == "__main__":
    main()
