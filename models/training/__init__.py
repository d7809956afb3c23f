"""How networks are trained here: one loop and its checkpoint."""
