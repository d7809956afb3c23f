"""The embedded world: people who do things in front of moving backgrounds, with the truth of every pixel (docs/WORLD.md)."""
