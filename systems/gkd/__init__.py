"""Generative model-based feature distillation (AAAI 2024): action recognition, and temporal action detection on AFSD (CVPR 2021).

A teacher I3D and a student Top-I3D each have an attention over (channel, time) and a conditional VAE that makes their features again from
it. What recognition and detection share is here; the rest is in ``recognition`` and ``detection``.
"""
