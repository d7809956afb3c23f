"""The skeleton: joint angles -> joint positions, for all frames of a video at once.

Body axes: X to the person's left, Y up, Z the way the person faces. Lengths are fractions of the standing height.
At ``yaw`` 0 the person faces the viewer, at +90 the right edge of the picture. All angles are degrees, arrays of shape (T,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: joint angles (and ``lift`` in heights); each limb has flexion (forward), abduction (outward), bend, and twist of the bend.
CHANNELS = (
    *("lift", "pitch", "lean", "side", "twist", "nod", "look"),
    *("rf", "ra", "re", "rw", "lf", "la", "le", "lw"),
    *("rhf", "rha", "rk", "lhf", "lha", "lk"),
)
REST: dict[str, float] = {"ra": 9, "la": 9, "re": 12, "le": 12, "rha": 4, "lha": 4}


@dataclass(frozen=True)
class Build:
    """Proportions of a kind of person, as fractions of the standing height."""

    height: float
    head: float
    shoulder: float
    hip: float
    torso: float
    girth: float


BUILDS: dict[str, Build] = {
    "man": Build(1.0, 0.072, 0.122, 0.058, 0.30, 1.0),
    "woman": Build(0.93, 0.073, 0.098, 0.064, 0.29, 0.86),
    "boy": Build(0.70, 0.098, 0.108, 0.056, 0.29, 1.02),
    "girl": Build(0.67, 0.101, 0.098, 0.058, 0.29, 0.94),
}

#: COCO order of the 17 keypoints.
KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    *("left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)


@dataclass
class Axes:
    """An orthonormal frame per time step; each axis is (T, 3)."""

    x: Floats
    y: Floats
    z: Floats

    def lean(self, angle: Floats) -> Axes:
        """Tip forward: up turns towards forward."""
        c, s = _cs(angle)
        return Axes(self.x, c * self.y + s * self.z, c * self.z - s * self.y)

    def tilt(self, angle: Floats) -> Axes:
        """Tip towards the person's right."""
        c, s = _cs(angle)
        return Axes(c * self.x + s * self.y, c * self.y - s * self.x, self.z)

    def turn(self, angle: Floats) -> Axes:
        """Turn about the vertical towards the person's left."""
        c, s = _cs(angle)
        return Axes(c * self.x - s * self.z, self.y, c * self.z + s * self.x)


def _cs(angle: Floats) -> tuple[Floats, Floats]:
    radians = np.deg2rad(angle)[:, None]
    return np.cos(radians), np.sin(radians)


def limb(axes: Axes, side: float, flex: Floats, abduct: Floats, bend: Floats, twist: Floats) -> tuple[Floats, Floats]:
    """Unit directions (T, 3) of the upper and lower segment of an arm or leg that hangs down at rest.

    ``bend`` folds the lower segment forward; ``twist`` turns that fold towards the body's middle (90: inward, -90: outward).
    """
    cf, sf = _cs(flex)
    ca, sa = _cs(abduct)
    cb, sb = _cs(bend)
    cw, sw = _cs(twist)
    upper = side * sa * axes.x - ca * cf * axes.y + ca * sf * axes.z
    forward = sf * axes.y + cf * axes.z
    inward = -side * ca * axes.x - sa * cf * axes.y + sa * sf * axes.z
    return upper, cb * upper + sb * (cw * forward + sw * inward)


def solve(pose: dict[str, Floats], yaw: Floats, build: Build) -> dict[str, Floats]:
    """Forward kinematics. Returns joint name -> (T, 3) in heights, the lowest point of contact at Y = ``lift``.

    Besides the joints: ``forward``, ``up`` and ``across`` of the head and of the chest as unit vectors.
    """
    n = len(yaw)
    eye = np.eye(3)
    world = Axes(*(np.repeat(eye[i : i + 1], n, 0) for i in range(3)))
    root = world.turn(yaw).lean(pose["pitch"])
    chest = root.lean(pose["lean"]).tilt(pose["side"]).turn(pose["twist"])
    joints: dict[str, Floats] = {"pelvis": np.zeros((n, 3))}
    joints["neck"] = build.torso * chest.y
    joints["chest"] = 0.72 * build.torso * chest.y
    head = chest.lean(pose["nod"]).turn(pose["look"])
    joints["head"] = joints["neck"] + (0.035 + build.head) * head.y
    upper_arm, forearm = 0.165, 0.155
    leg = (1.0 - build.torso - 2 * build.head - 0.035 - 0.02) / 2
    for side, name, key in ((1.0, "left", "l"), (-1.0, "right", "r")):
        shoulder = joints["neck"] - 0.03 * chest.y + side * build.shoulder * chest.x
        upper, lower = limb(chest, side, pose[key + "f"], pose[key + "a"], pose[key + "e"], pose[key + "w"])
        joints[f"{name}_shoulder"] = shoulder
        joints[f"{name}_elbow"] = shoulder + upper_arm * upper
        joints[f"{name}_wrist"] = joints[f"{name}_elbow"] + forearm * lower
        joints[f"{name}_hand"] = joints[f"{name}_wrist"] + 0.035 * lower
        hip = side * build.hip * root.x
        thigh, shin = limb(root, side, pose[key + "hf"], pose[key + "ha"], -pose[key + "k"], np.zeros(n))
        joints[f"{name}_hip"] = hip
        joints[f"{name}_knee"] = hip + leg * thigh
        joints[f"{name}_ankle"] = joints[f"{name}_knee"] + leg * shin
        toe = root.z - (root.z * shin).sum(1, keepdims=True) * shin
        toe /= np.linalg.norm(toe, axis=1, keepdims=True) + 1e-6
        joints[f"{name}_toe"] = joints[f"{name}_ankle"] + 0.075 * toe
    contact = [f"{s}_{j}" for s in ("left", "right") for j in ("ankle", "knee", "hand", "hip", "toe")]
    floor = np.min([joints[c][:, 1] for c in contact], axis=0) - 0.02 - pose["lift"]
    for name in joints:
        joints[name] = joints[name] - floor[:, None] * eye[1]
    r = build.head
    for name, (across, up, out) in {
        "nose": (0, -0.05, 1.0),
        "left_eye": (0.38, 0.2, 0.88),
        "right_eye": (-0.38, 0.2, 0.88),
        "left_ear": (0.98, 0.0, 0.0),
        "right_ear": (-0.98, 0.0, 0.0),
        "mouth": (0.0, -0.45, 0.85),
    }.items():
        joints[name] = joints["head"] + r * (across * head.x + up * head.y + out * head.z)
    joints.update({"head_forward": head.z, "head_up": head.y, "head_across": head.x})
    joints.update({"chest_forward": chest.z, "chest_up": chest.y, "chest_across": chest.x})
    return joints
