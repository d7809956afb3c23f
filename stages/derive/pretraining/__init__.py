"""How the small networks of the embedded world that see flow, depth and poses came by their weights: trained on drawings of other seeds.

No stage imports this package; ``python -m stages.derive.pretraining --help`` tells how to run it. The exact commands and what came of
them stand in ``models/experts/shipped/README.md``.
"""
