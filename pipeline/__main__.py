"""``python -m pipeline`` is ``kdpipe``."""

from pipeline.cli import main

main()
