"""What can be imported for a dataset, and the node that it stands for. A new kind is a line here.

Beside the features that ``extract`` makes there are those of frames, (T, V) a video, and pictures of frames, as Lite-MKD's trees have them;
kinds are called as those trees are.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.backbones.kinds import KINDS


@dataclass(frozen=True)
class Importable:
    """One kind. ``axes`` of what a video has; ``array``: what features are called in HDF5 files, "" of pictures."""

    name: str
    node: str
    axes: tuple[str, ...]
    array: str = ""

    @property
    def what(self) -> str:
        """What people call it: ``motion features``, ``mm_features``, ``flow_l8 pictures``."""
        return self.name if self.name.endswith("features") else f"{self.name} {'features' if self.array else 'pictures'}"

    @property
    def pattern(self) -> str:
        """Which files of a tree hold it."""
        return "*.npy" if self.array else "*.jpg"


FRAMES, PICTURES = ("frames", "width"), ("frames", "height", "width", "channels")
_OWN = (
    Importable("rgb_features", "extract.rgb_features", FRAMES, "frame_features"),
    Importable("mm_features", "extract.mm_features", FRAMES, "frame_features"),
    Importable("rgb_l8", "sample", PICTURES),
    Importable("flow_l8", "derive.flow", PICTURES),
    Importable("depth_l8", "derive.depth", PICTURES),
    Importable("skeleton_l8", "derive.skeleton", PICTURES),
)
IMPORTABLE = {
    **{kind.name: Importable(kind.name, f"extract.{kind.name}", kind.axes, kind.array) for kind in KINDS.values()},
    **{kind.name: kind for kind in _OWN},
}
