"""Which trained network is asked, and how its system wants to be asked."""

from __future__ import annotations

from models.prediction import Prediction
from pipeline import networks
from pipeline.judge import Judge

Chosen = networks.Chosen[Prediction]


def predictions(system: str) -> tuple[Prediction, ...]:
    """What ``systems/<system>/predict.py`` declares. Raises ConfigError for a system that has none."""
    found: tuple[Prediction, ...] = networks.declared(system, "predict", "PREDICTIONS", f"{system} cannot be asked about single files")
    return found


def of_graph(judge: Judge, network: str) -> Chosen:
    """As :func:`pipeline.networks.of_graph`."""
    return networks.of_graph(judge, predictions(judge.system), network, "answers")


def of_result(judge: Judge, text: str, network: str) -> Chosen:
    """As :func:`pipeline.networks.of_result`."""
    return networks.of_result(judge, predictions(judge.system), text, network)
