"""How people2d and people3d came by their weights: trained on drawn films of other seeds, against the truth of the drawing.

No stage imports this package; ``python -m stages.extract.pretraining --help`` tells how to run it. The exact command and what
came of it stand in ``models/backbones/weights/README.md``.
"""
