"""Sounds of one's own with a label each: as :mod:`stages.index.csv_labels`, where ``video`` names audio files, or videos to be heard."""

from __future__ import annotations

from stages.index import folder
from stages.index.csv_labels import Labels

ENDINGS = frozenset({".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"})

LAYOUT = Labels(endings=ENDINGS | folder.SUFFIXES).layout("audio")
