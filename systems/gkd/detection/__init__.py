"""Temporal action detection: AFSD (CVPR 2021) with attention and distillation through a conditional VAE."""
