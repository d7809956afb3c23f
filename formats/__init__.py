"""Files in formats of other projects: TFRecords and TensorFlow's examples, without TensorFlow, and plain text."""
