"""Answer a question about a video from its features, which model.json describes:

python predict.py appearance.npy motion.npy "who is there?"
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

from models.standalone.best import show_best, softmax
from models.standalone.onnx_network import network


def main() -> None:
    """Print the most probable answers."""
    about, run = network(Path(__file__).parent)
    appearance, motion = (np.load(name).astype(np.float32)[None] for name in sys.argv[1:3])
    if about["blind"]:
        appearance, motion = np.zeros_like(appearance), np.zeros_like(motion)
    words = re.findall(r"\w+(?=n't)|n't|'\w+|\w+|[^\w\s]", sys.argv[3].lower().strip().rstrip("?. "))
    question = np.zeros((1, about["inputs"][2]["shape"][1]), np.int64)
    if not 0 < len(words) <= question.shape[1]:
        sys.exit(f"a question has 1 to {question.shape[1]} words")
    vocabulary = about["vocabulary"]
    question[0, : len(words)] = [vocabulary.get(word, vocabulary["<UNK>"]) for word in words]
    said = run(appearance=appearance, motion=motion, question=question, length=np.array([len(words)]))
    show_best(about["answers"], softmax(said["logits"][0]))


if __name__ == "__main__":
    main()
