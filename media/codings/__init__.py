"""How what experts see is kept: names, options and defaults as literals; :mod:`media.codings.table` makes and opens payloads."""

#: kind -> its codings, the default first
CODINGS = {
    "flow": ("wheel", "xy", "float"),
    "depth": ("jet", "grey16", "float"),
    "skeleton": ("black", "overlay", "keypoints"),
}
#: the options of the codings, and their defaults
DEFAULTS = {
    "codec": "jpeg",
    "quality": 95,
    "zero": "white",
    "bound": 20.0,
    "rule": "denseflow",
    "factor": 1000.0,
    "variant": "fast",
}
#: what an option can be
CHOICES = {
    "codec": ("jpeg", "png"),
    "zero": ("white", "black"),
    "rule": ("denseflow", "mmaction", "i3d"),
    "variant": ("fast", "full"),
}
#: which options count for a coding; ``quality`` only with ``codec`` jpeg
OPTIONS = {
    ("flow", "wheel"): ("codec", "quality", "zero"),
    ("flow", "xy"): ("codec", "quality", "bound", "rule"),
    ("flow", "float"): (),
    ("depth", "jet"): ("codec", "quality"),
    ("depth", "grey16"): ("factor",),
    ("depth", "float"): (),
    ("skeleton", "black"): ("codec", "quality", "variant"),
    ("skeleton", "overlay"): ("codec", "quality", "variant"),
    ("skeleton", "keypoints"): (),
}
