"""imported features: the ``extract`` nodes of a dataset whose features somebody else made; pictures of frames likewise.

Another source of ``extract.<kind>``: instead of frames through a network, a published HDF5 file or a tree of
npy files is checked row by row and written down in our layout; in place of ``sample`` and ``derive.<kind>`` a tree of pictures
(:mod:`stages.imported.kinds`). Later stages read the result as they read what was computed. The
key holds the sha256 of what was imported, not where it lay: the result stays fresh when the file moves or is gone.
``kdpipe import-features`` makes these nodes (:mod:`pipeline.imports`).
"""

from __future__ import annotations

from dataclasses import dataclass

from cache.stage import Stage, option
from stages.imported.kinds import IMPORTABLE


@dataclass(frozen=True)
class ImportedParams:
    """What is imported and how it is read."""

    kind: str = option("appearance", "what a video has: (C, F, V), (C, V) of clips, (T, V) of frames, pictures", choices=tuple(IMPORTABLE))
    sha256: str = option("", "of the file; of a tree of npy files, of the listing of their names and digests")
    array: str = option(
        "", "name of the features in the HDF5 file; '' is the published one of the kind (resnet_features, …) or the only array"
    )
    ids_array: str = option("ids", "name of the ids in the HDF5 file")
    ids: str = option(
        "auto",
        "how its ids are those of the dataset: as they stand ('exact'), 'video12' or 'vid12' for 12 ('prefix'), file names with "
        "escaped characters ('escaped'), a video's folder below that of its class ('folder'), or whichever fits most videos ('auto')",
        choices=("auto", "exact", "prefix", "escaped", "folder"),
    )
    zero_rows: str = option(
        "keep", "rows that are all zeros: used as they are, as the published code does, or left out", choices=("keep", "leave_out")
    )
    file: str = option("", "where it was when it was imported", keyed=False)
    when: str = option("", "when it was imported", keyed=False)
    max_lost: float = option(0.0, "fraction of the dataset's videos that may have no usable row", keyed=False, at_least=0, at_most=1)

    @property
    def provenance(self) -> str:
        """Where these features come from, for people."""
        return f"imported from {self.file}, sha256 {self.sha256[:12]}, {self.when}"


ENTRY = "stages.imported.run:run"
STAGES = {
    "extract": Stage("extract", ENTRY, ImportedParams, tolerance="max_lost"),
    "sample": Stage("sample", ENTRY, ImportedParams, items=("index",), tolerance="max_lost"),
    "derive": Stage("derive", ENTRY, ImportedParams, items=("index",), tolerance="max_lost"),
}
