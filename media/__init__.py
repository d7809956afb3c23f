"""Containers and codecs: the only place that touches PyAV."""
