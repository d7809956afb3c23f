"""The artifact store: digests, keys, objects, items. It knows nothing of videos or torch."""
