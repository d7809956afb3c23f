"""Networks and classical methods that see in RGB frames what was not filmed: optical flow, depth, people's poses (docs/DERIVE.md)."""
