"""The look of a person: limbs, clothes, hair, face and hat as parts that follow the joints."""

from __future__ import annotations

import numpy as np

from world.body import BUILDS, KEYPOINTS
from world.motion import Moving
from world.parts import Colour, Floats, Part, capsule, ellipse, shade

PAINT: dict[str, tuple[int, int, int]] = {
    "red": (208, 44, 44),
    "blue": (44, 88, 206),
    "green": (46, 152, 70),
    "yellow": (238, 204, 52),
    "white": (240, 240, 236),
    "black": (40, 40, 46),
    "purple": (134, 62, 176),
    "orange": (240, 134, 36),
    "pink": (244, 138, 180),
    "brown": (126, 80, 44),
    "grey": (136, 140, 146),
}
SKINS = ((246, 208, 178), (232, 184, 148), (204, 150, 110), (158, 106, 72), (104, 68, 46))
HAIRS = ((44, 32, 26), (90, 56, 30), (196, 154, 82), (150, 70, 34), (24, 22, 24))


def solid(name: str) -> Colour:
    """The paint of a colour's name."""
    return (*PAINT[name], 255)


class Figure:
    """Collects the parts of one actor. ``base`` is the actor's place in depth: its parts lie within base ± 1."""

    def __init__(self, moving: Moving, owner: int, base: float) -> None:
        self.m, self.owner, self.base = moving, owner, base
        self.h = moving.size
        self.parts: list[Part] = []

    def depth(self, point: Floats, bias: float = 0.0) -> Floats:
        """Sorting key of a body point (T, 3): nearer to the viewer is greater."""
        return self.base + np.clip(point[:, 2] + bias, -0.95, 0.95)

    def limb(self, a: str | Floats, b: str | Floats, ra: float, rb: float, colour: Colour, label: str, bias: float = 0.0) -> None:
        """A round limb between two body points with radii in heights: a dark rim below, the lit side on top."""
        pa, pb = self.point(a), self.point(b)
        fa, fb = self.m.project(pa), self.m.project(pb)
        ra, rb = ra * self.h, rb * self.h
        key = self.depth((pa + pb) / 2, bias)
        self.parts.append(Part(capsule(fa, fb, ra, rb), shade(colour, 0.62), key, self.owner, label))
        light = np.array([-0.16, -0.14])
        lit = capsule(fa + light * ra, fb + light * rb, ra * 0.74, rb * 0.74)
        self.parts.append(Part(lit, colour, key + 0.003, self.owner, label))

    def point(self, p: str | Floats) -> Floats:
        return self.m.joints[p] if isinstance(p, str) else p


def figure(moving: Moving, owner: int, base: float) -> list[Part]:
    """All parts of one person, without what they hold."""
    fig = Figure(moving, owner, base)
    _shadow(fig)
    _legs(fig)
    _torso(fig)
    _arms(fig)
    _head(fig)
    return fig.parts


def _shadow(fig: Figure) -> None:
    m = fig.m
    feet = (m.joints["left_ankle"] + m.joints["right_ankle"] + m.joints["pelvis"]) / 3
    x = m.project(feet)[:, 0]
    spread = np.abs(m.flat("left_ankle")[:, 0] - m.flat("right_ankle")[:, 0]) / 2 + np.abs(m.flat("head")[:, 0] - x) / 2
    centre = np.stack([x, np.full(len(x), m.actor.y + 1.0)], -1)
    points = ellipse(centre, 0.13 * fig.h + 0.6 * spread, 0.038 * fig.h)
    fig.parts.append(Part(points, (0, 0, 0, 74), np.full(len(x), fig.base - 1.0), fig.owner, "shadow"))


def _legs(fig: Figure) -> None:
    actor, build = fig.m.actor, BUILDS[fig.m.actor.kind]
    g = build.girth
    skin, cloth = (*SKINS[actor.skin], 255), solid(actor.bottom)
    shorts = actor.kind == "boy" or (actor.kind == "girl" and not actor.skirt)
    shoes: Colour = (58, 44, 40, 255) if actor.kind in ("man", "boy") else (124, 40, 52, 255)
    for side in ("left", "right"):
        hip, knee, ankle, toe = (f"{side}_{j}" for j in ("hip", "knee", "ankle", "toe"))
        bare = actor.skirt or shorts
        fig.limb(ankle, toe, 0.03, 0.022, shoes, "foot", 0.01)
        fig.limb(knee, ankle, 0.043 * g, 0.029 * g, skin if bare else cloth, "shin")
        fig.limb(hip, knee, 0.062 * g, 0.046 * g, skin if actor.skirt else cloth, "thigh", 0.01)
    if actor.skirt:
        joints = fig.m.joints
        length = 0.62 if actor.kind == "woman" else 0.5
        hem = [length * joints[f"{s}_knee"] + (1 - length) * joints[f"{s}_hip"] for s in ("left", "right")]
        top = joints["pelvis"] + 0.05 * joints["chest_up"]
        for end in (*hem, (hem[0] + hem[1]) / 2):
            fig.limb(top, end, 0.062, 0.098, cloth, "skirt", 0.06)


def _torso(fig: Figure) -> None:
    actor, build = fig.m.actor, BUILDS[fig.m.actor.kind]
    joints, shirt = fig.m.joints, solid(fig.m.actor.shirt)
    facing = np.abs(joints["chest_across"][:, 0])
    wide = (0.066 + (build.shoulder - 0.034 - 0.066) * facing) * fig.h
    waist = (0.062 + (build.hip + 0.012 - 0.056) * facing) * fig.h * (0.86 if actor.kind == "woman" else 1.0)
    chest = joints["neck"] - 0.07 * joints["chest_up"]
    a, b = fig.m.project(joints["pelvis"] + 0.02 * joints["chest_up"]), fig.m.project(chest)
    key = fig.depth((joints["pelvis"] + chest) / 2)
    fig.parts.append(Part(capsule(a, b, waist, wide), shade(shirt, 0.62), key, fig.owner, "torso"))
    light = np.array([-0.1, -0.07])
    lit = capsule(a + light * waist[:, None], b + light * wide[:, None], waist * 0.82, wide * 0.82)
    fig.parts.append(Part(lit, shirt, key + 0.003, fig.owner, "torso"))
    if not actor.skirt:
        belt = joints["pelvis"] - 0.01 * joints["chest_up"]
        fig.limb(belt + 0.03 * joints["chest_across"], belt - 0.03 * joints["chest_across"], 0.06, 0.06, solid(actor.bottom), "hips", 0.012)


def _arms(fig: Figure) -> None:
    actor, build = fig.m.actor, BUILDS[fig.m.actor.kind]
    g = 0.92 * build.girth
    skin, shirt = (*SKINS[actor.skin], 255), solid(actor.shirt)
    long_sleeves = actor.kind == "man" or (actor.skin + actor.hair) % 2 == 0
    for side in ("left", "right"):
        shoulder, elbow, wrist, hand = (f"{side}_{j}" for j in ("shoulder", "elbow", "wrist", "hand"))
        fig.limb(shoulder, elbow, 0.046 * g, 0.036 * g, shirt, "upper arm", 0.02)
        fig.limb(elbow, wrist, 0.034 * g, 0.027 * g, shirt if long_sleeves else skin, "forearm", 0.035)
        fig.limb(wrist, hand, 0.03, 0.03, skin, "hand", 0.045)


def _head(fig: Figure) -> None:
    actor, build = fig.m.actor, BUILDS[fig.m.actor.kind]
    j, r = fig.m.joints, BUILDS[fig.m.actor.kind].head
    up, ahead, across = j["head_up"], j["head_forward"], j["head_across"]
    skin, hair = (*SKINS[actor.skin], 255), (*HAIRS[actor.hair], 255)
    fig.limb("neck", "head", 0.034 * build.girth, 0.03, shade(skin, 0.88), "neck", 0.0)
    fig.limb(j["head"] + 0.1 * r * ahead, j["head"] - 0.12 * r * up + 0.1 * r * ahead, r, r * 0.92, skin, "head", 0.05)
    crown = j["head"] + 0.16 * r * up - 0.26 * r * ahead
    fig.limb(crown, crown + 0.05 * r * up, r * 1.04, r * 1.0, hair, "hair", 0.045)
    fringe = j["head"] + 0.88 * r * up + 0.22 * r * ahead
    fig.limb(fringe + 0.42 * r * across, fringe - 0.42 * r * across, r * 0.3, r * 0.3, hair, "hair", 0.062)
    if actor.kind == "woman":
        back = j["head"] - 0.55 * r * ahead
        for side in (0.6, -0.6):
            fig.limb(
                back + side * r * across,
                j["neck"] - 0.09 * j["chest_up"] - 0.8 * r * ahead + side * r * across,
                r * 0.6,
                r * 0.42,
                hair,
                "hair",
                0.04,
            )
    if actor.kind == "girl":
        for side in (1.0, -1.0):
            root = j["head"] + side * 0.95 * r * across + 0.25 * r * up - 0.3 * r * ahead
            fig.limb(root, root + side * 0.5 * r * across - 1.35 * r * up, r * 0.34, r * 0.2, hair, "hair", 0.045)
    _face(fig, r)
    if actor.hat:
        brim = j["head"] + 0.8 * r * up
        fig.limb(
            brim + 1.05 * r * across + 0.3 * r * ahead,
            brim - 1.05 * r * across + 0.3 * r * ahead,
            r * 0.2,
            r * 0.2,
            solid(actor.hat),
            "hat",
            0.075,
        )
        fig.limb(brim + 0.1 * r * up, brim + 0.45 * r * up, r * 0.82, r * 0.68, solid(actor.hat), "hat", 0.07)


def _face(fig: Figure, r: float) -> None:
    """Eyes, and a mouth for the grown-ups of the picture: shown while the face is turned to the viewer."""
    m = fig.m
    size = max(0.62, 0.13 * r * fig.h)
    seen = m.joints["head_forward"][:, 2]
    for name, rx, ry in (("left_eye", size * 0.8, size), ("right_eye", size * 0.8, size), ("mouth", size * 1.6, size * 0.5)):
        offset = m.joints[name] - m.joints["head"]
        colour = (30, 22, 22, 255) if name != "mouth" else (150, 60, 56, 255)
        shown = (offset[:, 2] > 0.2 * r) & (seen > -0.3)
        fig.parts.append(Part(ellipse(m.flat(name), rx, ry, 10), colour, fig.depth(m.joints["head"], 0.068), fig.owner, "face", shown))


def keypoints(moving: Moving) -> Floats:
    """COCO keypoints (T, 17, 2) in world pixels."""
    return np.stack([moving.flat(name) for name in KEYPOINTS], 1)
