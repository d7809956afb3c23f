"""Lite-MKD: few-shot action recognition distilled from several modalities (ACM MM 2023)."""
