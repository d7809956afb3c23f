"""The places: a textured panorama larger than the picture, painted once per video."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from world.parts import Floats, capsule, ellipse
from world.plan import HEIGHT, WIDTH

#: supersampling of everything that is drawn
SS = 3
#: how far the panorama reaches beyond the picture at rest, in world pixels
MARGIN_X, MARGIN_Y = 44, 20
PANO = (WIDTH + 2 * MARGIN_X, HEIGHT + 2 * MARGIN_Y)


def noise(rng: np.random.Generator, octaves: tuple[int, ...], stretch: float = 1.0) -> npt.NDArray[np.float32]:
    """Smooth noise about 0 (std about 1) of the panorama's size; ``octaves`` are blob sizes in pixels, ``stretch`` makes them wide."""
    total = np.zeros((PANO[1], PANO[0]), np.float32)
    for size in octaves:
        grid = rng.standard_normal((max(2, int(PANO[1] / size)), max(2, int(PANO[0] / (size * stretch))))).astype(np.float32)
        total += np.asarray(Image.fromarray(grid).resize(PANO, Image.Resampling.BICUBIC))
    return total / len(octaves) ** 0.5


class Canvas:
    """The panorama under work. Coordinates are world pixels ((0, 0) = left top of the picture at rest)."""

    def __init__(self, rng: np.random.Generator, night: bool) -> None:
        self.rng, self.night = rng, night
        self.image = Image.new("RGB", (PANO[0] * SS, PANO[1] * SS))
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    def ramp(
        self,
        y0: float,
        y1: float,
        top: tuple[int, int, int],
        bottom: tuple[int, int, int],
        grain: float,
        octaves: tuple[int, ...],
        stretch: float = 1.0,
    ) -> None:
        """A band with a vertical colour gradient and noise of ``grain`` grey levels."""
        a, b = round(y0 + MARGIN_Y), round(y1 + MARGIN_Y)
        t = np.linspace(0, 1, b - a, dtype=np.float32)[:, None, None]
        colour = (1 - t) * np.array(top, np.float32) + t * np.array(bottom, np.float32)
        field = colour + grain * noise(self.rng, octaves, stretch)[a:b, :, None]
        band = Image.fromarray(np.clip(field, 0, 255).astype(np.uint8)).resize((PANO[0] * SS, (b - a) * SS), Image.Resampling.BILINEAR)
        self.image.paste(band, (0, a * SS))

    def poly(self, xy: list[float] | Floats, colour: tuple[int, ...]) -> None:
        points = (np.asarray(xy, float).reshape(-1, 2) + np.array([MARGIN_X, MARGIN_Y])) * SS
        self.draw.polygon([tuple(p) for p in points], fill=tuple(colour))

    def rect(self, x0: float, y0: float, x1: float, y1: float, colour: tuple[int, ...]) -> None:
        self.poly([x0, y0, x1, y0, x1, y1, x0, y1], colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: tuple[int, ...]) -> None:
        self.poly(ellipse(np.array([[x, y]]), rx, ry, 24)[0], colour)

    def bar(self, x0: float, y0: float, x1: float, y1: float, r: float, colour: tuple[int, ...]) -> None:
        self.poly(capsule(np.array([[x0, y0]]), np.array([[x1, y1]]), r, r)[0], colour)

    def vary(self, colour: tuple[int, int, int], amount: float = 14) -> tuple[int, int, int]:
        r, g, b = (int(np.clip(c + self.rng.uniform(-amount, amount), 0, 255)) for c in colour)
        return r, g, b

    def spots(
        self, n: int, y0: float, y1: float, size: tuple[float, float], colours: list[tuple[int, int, int]], flat: float = 1.0
    ) -> None:
        """Scattered ovals: leaves, stones, flowers."""
        for _ in range(n):
            x, y, r = self.rng.uniform(-MARGIN_X, WIDTH + MARGIN_X), self.rng.uniform(y0, y1), self.rng.uniform(*size)
            self.oval(x, y, r, r * flat, self.vary(colours[int(self.rng.integers(len(colours)))]))


#: row where the ground begins, in world pixels
HORIZON: dict[str, float] = {
    "street": 78,
    "park": 66,
    "beach": 58,
    "kitchen": 88,
    "bedroom": 84,
    "stage": 82,
    "mountain": 74,
    "classroom": 86,
    "desert": 70,
}
LEFT, RIGHT, TOP, BOTTOM = -MARGIN_X, WIDTH + MARGIN_X, -MARGIN_Y, HEIGHT + MARGIN_Y


def _sky(c: Canvas, horizon: float, top: tuple[int, int, int] = (96, 160, 226), low: tuple[int, int, int] = (206, 228, 244)) -> None:
    if c.night:
        c.ramp(TOP, horizon, (10, 14, 44), (46, 50, 92), 4, (24, 9))
        for _ in range(46):
            x, y = c.rng.uniform(LEFT, RIGHT), c.rng.uniform(TOP, horizon - 6)
            c.oval(x, y, 0.55, 0.55, (255, 255, 230, int(c.rng.uniform(90, 255))))
        x, y = c.rng.uniform(10, 150), c.rng.uniform(4, 22)
        c.oval(x, y, 8, 8, (240, 236, 206))
        c.oval(x + 3, y - 2, 6.6, 6.6, (30, 34, 70))
        return
    c.ramp(TOP, horizon, top, low, 5, (30, 12), 1.8)
    for _ in range(int(c.rng.integers(2, 6))):
        x, y = c.rng.uniform(LEFT, RIGHT), c.rng.uniform(TOP + 6, horizon * 0.6)
        for _ in range(6):
            c.oval(x + c.rng.uniform(-13, 13), y + c.rng.uniform(-3, 3), c.rng.uniform(5, 11), c.rng.uniform(3, 5), (252, 252, 255, 120))
    if c.rng.random() < 0.6:
        c.oval(c.rng.uniform(0, 160), c.rng.uniform(2, 18), 7, 7, (255, 244, 190))


def street(c: Canvas) -> None:
    _sky(c, 76)
    x = float(LEFT)
    while x < RIGHT:
        w, h = c.rng.uniform(24, 42), c.rng.uniform(40, 74)
        wall = c.vary([(176, 96, 78), (196, 178, 150), (128, 132, 148), (204, 160, 110), (150, 168, 160)][int(c.rng.integers(5))], 16)
        c.rect(x, 78 - h, x + w, 78, wall)
        c.rect(x, 78 - h, x + w, 81 - h, tuple(int(v * 0.7) for v in wall))
        for wy in np.arange(84 - h, 68, 10):
            for wx in np.arange(x + 4, x + w - 6, 8):
                lit = c.rng.random() < (0.55 if c.night else 0.15)
                c.rect(wx, wy, wx + 4.4, wy + 6, (255, 222, 130) if lit else (64, 80, 102))
        c.rect(x + w / 2 - 4, 66, x + w / 2 + 4, 78, (84, 56, 40))
        x += w
    c.ramp(78, 88, (168, 164, 158), (186, 182, 176), 7, (3, 9))
    for x in np.arange(LEFT, RIGHT, 14):
        c.bar(x, 78, x - 4, 88, 0.3, (120, 118, 114))
    c.ramp(88, BOTTOM, (92, 92, 98), (112, 112, 116), 7, (2, 5, 20), 2.5)
    for x in np.arange(LEFT, RIGHT, 26):
        c.rect(x, 116, x + 13, 118.4, (226, 220, 190))
    for x in np.arange(LEFT + c.rng.uniform(0, 40), RIGHT, 62):
        c.bar(x, 30, x, 82, 1.1, (52, 54, 58))
        c.oval(x, 29, 4, 3, (255, 240, 170) if c.night else (210, 212, 214))


def _tree(c: Canvas, x: float, y: float, s: float) -> None:
    c.poly([x - 2.4 * s, y, x + 2.4 * s, y, x + 1.4 * s, y - 22 * s, x - 1.4 * s, y - 22 * s], c.vary((104, 72, 44), 10))
    for i in range(16):
        green = c.vary((52 + 3 * i, 112 + 3 * i, 46), 12)
        c.oval(
            x + c.rng.uniform(-11, 11) * s, y - (34 + c.rng.uniform(-13, 9)) * s, c.rng.uniform(4, 8) * s, c.rng.uniform(4, 7) * s, green
        )


def park(c: Canvas) -> None:
    _sky(c, 66)
    for x in np.arange(LEFT, RIGHT, 9):
        c.oval(x, 66, c.rng.uniform(7, 13), c.rng.uniform(6, 15), c.vary((70, 122, 74), 14))
    c.ramp(66, BOTTOM, (112, 168, 76), (84, 148, 58), 9, (2, 5, 16), 1.6)
    c.poly([LEFT, 92, RIGHT, 84, RIGHT, 95, LEFT, 107], (206, 184, 144))
    c.spots(70, 72, BOTTOM, (0.5, 1.1), [(240, 220, 80), (240, 240, 240), (220, 90, 110)])
    for _ in range(int(c.rng.integers(3, 6))):
        _tree(c, c.rng.uniform(LEFT, RIGHT), c.rng.uniform(70, 80), c.rng.uniform(0.9, 1.5))
    if c.rng.random() < 0.6:
        x = c.rng.uniform(10, 120)
        for y in (72, 76, 80):
            c.rect(x, y, x + 30, y + 2.4, (146, 96, 54))
        for dx in (3, 26):
            c.rect(x + dx, 72, x + dx + 1.6, 88, (70, 70, 74))


def beach(c: Canvas) -> None:
    _sky(c, 58, (86, 170, 232), (226, 238, 240))
    c.ramp(58, 82, (34, 116, 168), (70, 176, 196), 9, (2, 4), 6)
    c.ramp(82, BOTTOM, (232, 208, 156), (222, 190, 130), 7, (1, 3, 14), 1.5)
    c.ramp(82, 86, (196, 196, 172), (214, 192, 146), 5, (3, 9), 4)
    c.spots(36, 90, BOTTOM, (0.5, 1.3), [(250, 240, 220), (180, 140, 100)], 0.6)
    if c.rng.random() < 0.8:
        x = c.rng.choice([c.rng.uniform(-20, 24), c.rng.uniform(136, 180)])
        for i in range(8):
            c.bar(x + i * 0.8, 92 - i * 6, x + (i + 1) * 0.8, 86 - i * 6, 2.0 - 0.1 * i, (132, 98, 62))
        for a in np.linspace(-2.9, -0.2, 7):
            tip = (x + 7 + 21 * np.cos(a), 44 + 14 * np.sin(a) + 7)
            c.poly(
                [x + 6, 42, (x + 6 + tip[0]) / 2, 38 + (tip[1] - 44) * 0.4, *tip, (x + 8 + tip[0]) / 2, 44 + (tip[1] - 44) * 0.5],
                c.vary((54, 138, 66), 14),
            )
    if c.rng.random() < 0.5:
        x = c.rng.uniform(30, 130)
        c.bar(x, 58, x, 88, 0.7, (240, 240, 240))
        for i in range(6):
            c.poly([x, 54, x - 18 + 6 * i, 66, x - 12 + 6 * i, 66], (226, 62, 58) if i % 2 else (250, 250, 250))


def kitchen(c: Canvas) -> None:
    tile = c.vary((206, 222, 220), 20)
    c.ramp(TOP, 86, tile, tile, 3, (4,))
    for x in np.arange(LEFT, RIGHT, 9):
        c.bar(x, TOP, x, 86, 0.22, (168, 182, 180))
    for y in np.arange(TOP, 86, 9):
        c.bar(LEFT, y, RIGHT, y, 0.22, (168, 182, 180))
    _window(c, c.rng.uniform(20, 110), 8, 34, 28)
    cupboard = c.vary([(150, 96, 58), (232, 226, 214), (88, 122, 140), (112, 140, 98)][int(c.rng.integers(4))], 12)
    for x in np.arange(LEFT, RIGHT, 24):
        c.rect(x, 58, x + 23, 88, cupboard)
        c.rect(x + 2, 61, x + 21, 85, tuple(int(v * 0.86) for v in cupboard))
        c.oval(x + 18, 72, 1.1, 1.1, (60, 60, 62))
        if c.rng.random() < 0.6:
            c.rect(x, TOP, x + 23, 4, cupboard)
    c.rect(LEFT, 54, RIGHT, 59, (74, 70, 70))
    for x in np.arange(LEFT + 6, RIGHT, 34):
        what = int(c.rng.integers(3))
        if what == 0:
            c.rect(x, 46, x + 10, 54, (176, 180, 186))
            c.bar(x + 10, 48, x + 16, 47, 0.9, (40, 40, 42))
        elif what == 1:
            c.rect(x, 40, x + 5, 54, c.vary((80, 140, 90), 30))
            c.rect(x + 1.6, 36, x + 3.4, 40, (60, 60, 60))
        else:
            for i in range(3):
                c.oval(x + 4 * i, 52, 2.4, 2.4, c.vary((216, 90, 40), 40))
    c.ramp(88, BOTTOM, (196, 170, 136), (176, 146, 112), 4, (2, 8), 3)
    for i, x in enumerate(np.arange(LEFT, RIGHT + 12, 12)):
        c.bar(x, 88, x + (x - 80) * 0.5, BOTTOM, 0.25, (140, 112, 84))
        if i < 4:
            c.bar(LEFT, 92 + i * i * 3.4 + i * 4, RIGHT, 92 + i * i * 3.4 + i * 4, 0.25, (140, 112, 84))


def _window(c: Canvas, x: float, y: float, w: float, h: float) -> None:
    outside = (18, 22, 58) if c.night else (160, 208, 244)
    c.rect(x - 2, y - 2, x + w + 2, y + h + 2, (236, 232, 222))
    c.rect(x, y, x + w, y + h, outside)
    if c.night:
        for _ in range(7):
            c.oval(c.rng.uniform(x, x + w), c.rng.uniform(y, y + h), 0.5, 0.5, (255, 255, 230))
        c.oval(x + w * 0.7, y + h * 0.3, 3, 3, (240, 236, 206))
    else:
        c.oval(x + w * 0.35, y + h * 0.4, 6, 2.6, (250, 250, 255))
        c.rect(x, y + h * 0.75, x + w, y + h, (126, 176, 96))
    c.bar(x + w / 2, y, x + w / 2, y + h, 0.7, (236, 232, 222))
    c.bar(x, y + h / 2, x + w, y + h / 2, 0.7, (236, 232, 222))


def bedroom(c: Canvas) -> None:
    wall = c.vary([(214, 190, 200), (176, 200, 214), (222, 208, 168), (190, 208, 178)][int(c.rng.integers(4))], 10)
    c.ramp(TOP, 84, wall, tuple(int(v * 0.94) for v in wall), 2.5, (5, 30))
    for x in np.arange(LEFT, RIGHT, 8):
        c.rect(x, TOP, x + 3.4, 80, (*(int(v * 0.93) for v in wall), 110))
    _window(c, c.rng.uniform(90, 120), 12, 30, 32)
    c.rect(LEFT, 80, RIGHT, 84, (238, 232, 224))
    c.ramp(84, BOTTOM, (150, 104, 66), (172, 122, 78), 7, (2, 7), 7)
    cover = c.vary([(92, 108, 180), (186, 84, 92), (96, 150, 120)][int(c.rng.integers(3))], 20)
    x = c.rng.uniform(-24, 20)
    c.rect(x - 4, 46, x + 2, 92, (112, 72, 44))
    c.rect(x, 66, x + 62, 88, cover)
    c.rect(x, 62, x + 62, 68, tuple(min(255, int(v * 1.2)) for v in cover))
    c.oval(x + 12, 62, 11, 4.6, (246, 244, 240))
    c.poly([30, 98, 132, 98, 150, 114, 14, 114], (*c.vary((170, 66, 70), 40), 190))
    c.rect(54, 18, 76, 36, (96, 70, 46))
    c.rect(56, 20, 74, 34, c.vary((90, 150, 170), 40))


def stage(c: Canvas) -> None:
    c.ramp(TOP, 82, (54, 12, 26), (96, 20, 36), 6, (3, 10))
    for x in np.arange(LEFT, RIGHT, 7):
        c.poly([x, TOP, x + 3, TOP, x + 3.6, 82, x - 0.6, 82], (140, 28, 46, 120))
    c.ramp(82, BOTTOM, (146, 100, 58), (116, 76, 42), 5, (2, 9), 6)
    for x in np.arange(LEFT - 60, RIGHT + 60, 12):
        c.bar(80 + (x - 80) * 0.66, 82, x, BOTTOM, 0.3, (84, 54, 30))
    c.rect(LEFT, TOP, RIGHT, 0, (34, 10, 18))
    for x in np.arange(LEFT, RIGHT, 15):
        c.oval(x + 7, 0, 8, 5, (196, 150, 60))
        c.oval(x + 7, -1.4, 7.4, 4.4, (120, 22, 38))
    for side in (-16, 146):
        c.rect(side, 48, side + 22, 84, (30, 30, 34))
        c.oval(side + 11, 58, 6, 6, (70, 70, 76))
        c.oval(side + 11, 73, 8, 8, (60, 60, 66))


def mountain(c: Canvas) -> None:
    _sky(c, 74, (118, 168, 214), (226, 236, 246))
    for depth, tone in ((0, (138, 152, 178)), (1, (104, 118, 146))):
        x = float(LEFT) - 20
        while x < RIGHT:
            w, h = c.rng.uniform(40, 76), c.rng.uniform(30, 52) - 10 * depth
            peak = (x + w / 2, 76 - h)
            c.poly([x - 8, 78, *peak, x + w + 8, 78], c.vary(tone, 8))
            c.poly(
                [
                    peak[0] - w * 0.17,
                    peak[1] + h * 0.3,
                    *peak,
                    peak[0] + w * 0.17,
                    peak[1] + h * 0.3,
                    peak[0] + 3,
                    peak[1] + h * 0.22,
                    peak[0] - 4,
                    peak[1] + h * 0.36,
                ],
                (246, 248, 252),
            )
            x += w * 0.72
    c.ramp(74, BOTTOM, (226, 234, 246), (246, 248, 252), 6, (4, 12, 30), 2.5)
    for _ in range(int(c.rng.integers(5, 10))):
        x, y, s = c.rng.uniform(LEFT, RIGHT), c.rng.uniform(74, 86), c.rng.uniform(0.7, 1.3)
        for i in range(3):
            c.poly(
                [x - (8 - 2 * i) * s, y - 8 * i * s, x, y - (15 + 8 * i) * s, x + (8 - 2 * i) * s, y - 8 * i * s], c.vary((38, 92, 66), 10)
            )
            c.poly([x - 2.4 * s, y - (9 + 8 * i) * s, x, y - (15 + 8 * i) * s, x + 2.4 * s, y - (9 + 8 * i) * s], (240, 244, 250))


def classroom(c: Canvas) -> None:
    c.ramp(TOP, 86, (226, 216, 188), (214, 202, 172), 2.5, (6, 30))
    c.rect(30, 8, 132, 54, (128, 88, 52))
    c.rect(33, 11, 129, 51, (38, 84, 66))
    for i in range(int(c.rng.integers(3, 6))):
        y = 17 + 7 * i
        x = c.rng.uniform(38, 60)
        while x < 116 and y < 49:
            w = c.rng.uniform(3, 11)
            c.bar(x, y, x + w, y + c.rng.uniform(-0.6, 0.6), 0.5, (226, 236, 228))
            x += w + 3
    _window(c, -34, 10, 30, 34)
    c.oval(146, 14, 6.4, 6.4, (60, 60, 64))
    c.oval(146, 14, 5.4, 5.4, (248, 248, 244))
    c.bar(146, 14, 148, 11.4, 0.5, (30, 30, 30))
    c.bar(146, 14, 146, 10, 0.4, (30, 30, 30))
    c.ramp(86, BOTTOM, (168, 150, 126), (150, 130, 106), 4, (2, 6), 4)
    for x in np.arange(LEFT + c.rng.uniform(0, 20), RIGHT, 44):
        c.rect(x, 74, x + 30, 78, (196, 148, 92))
        for dx in (2, 26):
            c.rect(x + dx, 78, x + dx + 2, 94, (96, 98, 104))


def desert(c: Canvas) -> None:
    _sky(c, 70, (120, 178, 226), (248, 222, 176))
    for _ in range(4):
        x, w, h = c.rng.uniform(LEFT, RIGHT), c.rng.uniform(26, 46), c.rng.uniform(16, 34)
        c.poly([x, 72, x + 4, 72 - h, x + w - 5, 72 - h, x + w, 72], c.vary((184, 104, 66), 12))
        for i in range(3):
            c.bar(x + 3, 72 - h * (0.2 + 0.25 * i), x + w - 3, 72 - h * (0.2 + 0.25 * i), 0.8, (160, 86, 54, 130))
    c.ramp(70, BOTTOM, (226, 176, 110), (212, 154, 88), 9, (3, 8, 22), 3.4)
    for _ in range(int(c.rng.integers(3, 7))):
        x, y, s = c.rng.uniform(LEFT, RIGHT), c.rng.uniform(74, 88), c.rng.uniform(0.7, 1.2)
        green = c.vary((70, 128, 74), 12)
        c.bar(x, y, x, y - 26 * s, 3 * s, green)
        for side, up in ((-1, 12), (1, 9)):
            c.bar(x, y - up * s, x + 7 * side * s, y - (up + 1) * s, 1.8 * s, green)
            c.bar(x + 7 * side * s, y - (up + 1) * s, x + 7 * side * s, y - (up + 9) * s, 1.8 * s, green)
    c.spots(30, 76, BOTTOM, (0.8, 2.2), [(170, 120, 80), (200, 150, 100)], 0.6)


PAINTERS: dict[str, Callable[[Canvas], None]] = {
    paint.__name__: paint for paint in (street, park, beach, kitchen, bedroom, stage, mountain, classroom, desert)
}


def panorama(scene: str, texture: int, night: bool) -> Image.Image:
    """Paint the place: an RGB image of ``PANO`` * ``SS`` pixels, a function of its arguments alone."""
    canvas = Canvas(np.random.default_rng(texture), night)
    PAINTERS[scene](canvas)
    return canvas.image
