"""A training that is killed and run again ends with the bits of one that was not."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests import warm

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["plain", "rich"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What trainee.py reports of a kind of training."""
    directory = tmp_path_factory.mktemp(request.param)
    done = warm.run("tests.training.trainee", request.param, str(directory), cwd=PROJECT, env=os.environ, timeout=240)
    assert done.returncode == 0, done.stderr
    return {"kind": request.param, **json.loads((directory / "result.json").read_text())}


def test_kills_at_random_moments_leave_weights_and_curves_bit_identical(trained: dict) -> None:
    found = trained["killed"]
    assert found["digests"] == trained["whole"]["digests"]
    assert found["ends"][:10] == [signal.SIGKILL] * 10
    assert any(place and place[2] > 0 for place in found["places"]), "no kill came in the middle of an epoch"


def test_kills_while_a_checkpoint_is_written_leave_weights_and_curves_bit_identical(trained: dict) -> None:
    found = trained["torn"]
    assert found["digests"] == trained["whole"]["digests"]
    assert found["ends"][:6] == [signal.SIGKILL] * 6
    assert found["left"] == 0
    assert found["files"] == {"plain": 2, "rich": 1}[trained["kind"]]  # the state, and the weights of the best epoch


def test_rates_decays_and_the_epoch_that_is_kept_are_those_that_were_used(trained: dict) -> None:
    curves, epoch = (trained["whole"]["digests"][name] for name in ("curves", "epoch"))
    first, *_, last = json.loads(curves)
    if trained["kind"] == "plain":
        assert (first["rate"], last["rate"]) == (1e-2, 2.5e-3) and "rate_at_first" not in first
        return
    assert epoch == "5"
    assert first["rate_learn_decayed_at_first"] == 0.0 < first["rate_learn_decayed"] == first["rate_learn_others"]
    assert first["decay_learn_decayed"] < first["decay_learn_decayed_at_first"] == 0.3 and "decay_learn_others" not in first
    assert 0.01 < last["rate_imitate"] < first["rate_imitate"] < 0.05
