"""XKD: audio and video teach one another without labels (AAAI 2024): masked reconstruction, cross-modal distillation, domain alignment.

Its networks, losses, training step, checkpoints and downstream heads are here; the stages that use them are not yet.
"""
