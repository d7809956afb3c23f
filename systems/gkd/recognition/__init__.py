"""Action recognition: clips of 64 frames, RGB or flow, to one of the classes (UCF101, HMDB51)."""
