"""What any system writes of its results and the report reads: light, without torch (:mod:`models.evaluation.record`)."""
