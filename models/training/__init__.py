"""How networks are trained here: one loop, its checkpoint, and the statistics over seeds."""
