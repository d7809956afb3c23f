"""The few-frames system: a teacher that sees all frame features of a video, students that see k of them."""
