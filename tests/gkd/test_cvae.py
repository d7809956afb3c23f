"""The CVAE has the branches that are asked for under the published names, and draws what it is given or what torch draws."""

from __future__ import annotations

import pytest
import torch

from cache.errors import DataError
from systems.gkd.cvae import CVAE
from systems.gkd.recognition import published


def small(*channels: int) -> CVAE:
    torch.manual_seed(0)
    return CVAE({published_channels: (32 * (1 + (published_channels == 832)), 2) for published_channels in channels})


def test_a_map_goes_to_the_branch_of_its_channels() -> None:
    net = small(1024, 832)
    for channels in (32, 64):
        made = net(torch.rand(2, channels, 3, 2, 2), torch.rand(2, channels, 3))
        assert made.features.shape == (2, channels, 3, 2, 2) and made.mean.shape == made.z.shape == (2, 3, channels)


def test_only_the_branch_asked_for_exists() -> None:
    assert not any("_832" in name for name in small(1024).state_dict())
    assert sum("_832" in name for name in small(1024, 832).state_dict()) == 20


def test_noise_is_what_is_given_or_torchs() -> None:
    net, features, attention = small(1024), torch.rand(1, 32, 3, 2, 2), torch.rand(1, 32, 3)
    torch.manual_seed(5)
    drawn = net(features, attention)
    torch.manual_seed(5)
    noise = torch.randn(1, 3, 32)
    torch.testing.assert_close(net(features, attention, noise).z, drawn.z)
    torch.manual_seed(5)
    torch.testing.assert_close(net.sample(attention), net.sample(attention, noise))


def test_a_published_file_loads_into_the_one_branch_strictly() -> None:
    with torch.device("meta"):
        shapes = CVAE({1024: (1024, 7), 832: (832, 14)}).state_dict()
        own = CVAE({1024: (1024, 7)})
        published.load_cvae(own.to("meta"), shapes, "teacher_cvae.ckpt")
        with pytest.raises(DataError, match=r"1 missing.*of 20 entries"):
            published.load_cvae(own, {name: value for name, value in shapes.items() if name != "cencoder.fc1.bias"}, "file")
        with pytest.raises(DataError, match="1 unexpected"):
            published.load_cvae(own, {**shapes, "third.weight": shapes["cencoder.fc1.bias"]}, "file")
