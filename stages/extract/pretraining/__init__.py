"""How small2d and small3d came by their weights: trained on a drawn world of another seed, against its ground truth.

No stage imports this package; ``python -m stages.extract.pretraining --help`` tells how to run it. The exact command and what
came of it stand in ``models/backbones/weights/README.md``.
"""
