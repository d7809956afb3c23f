"""TFRecord files and the TensorFlow examples in them, without TensorFlow: a library beside the stages (ingest and world use it)."""
