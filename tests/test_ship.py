"""What ships: the resolution in use, chosen after training."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch

from pocketvision.data.dataset import Sample
from pocketvision.data.sources import open_dataset
from pocketvision.fitting.clock import Here
from pocketvision.fitting.ship import at_resolution, choose_resolution, explain_resolution, ladder, time_networks
from pocketvision.journal import Journal
from pocketvision.measure.latency import Latency
from pocketvision.models import create_model
from pocketvision.network import Network


@pytest.fixture(scope="module")
def net() -> Network:
    torch.manual_seed(0)
    return create_model("mobilenet_v1", width=0.25, resolution=96, classes=10, channels=1).eval()


@pytest.fixture(scope="module")
def val() -> Sequence[Sample]:
    return open_dataset("digits").splits["train"][:20]


def clock(ms_per_pixel: float):
    def timed(nets: Sequence[Network], needed: int, enough_ms: float) -> list[Latency]:
        each = [net.spec.size[0] * ms_per_pixel for net in nets]
        return [Latency(ms, ms, ms, ms, ms, 9, 9) for ms in each]

    return timed


def test_the_same_weights_see_other_sizes(net: Network) -> None:
    other = at_resolution(net, 128)
    assert other.spec.size == (128, 128) and other.preprocessing.resolution == (128, 128)
    assert other.spec.name == "mobilenet_v1_0.25_128" and net.spec.name == "mobilenet_v1_0.25_96"
    assert other.trunk is net.trunk and other.spec.trunk == net.spec.trunk
    assert ladder(net) == [48, 56, 64, 72, 80, 88, 96, 104, 112, 120]


def test_the_lowest_validation_loss_within_the_budget_ships(net: Network, val: Sequence[Sample]) -> None:
    shipping = choose_resolution(net, val, 112 / 0.97, clock(1.0), Journal())
    tried = {row["resolution"]: row for row in shipping.tried}
    judged = {resolution: row["val_loss"] for resolution, row in tried.items() if "val_loss" in row}
    assert set(judged) == {96, 104, 112}
    best = min(judged, key=judged.__getitem__)
    assert shipping.resolution == (best if judged[best] <= 0.98 * judged[96] else 96)
    crops = {crop["resize"]: crop["val_loss"] for crop in shipping.crops}
    assert set(crops) == {96, 110, 120, 137, 160}
    assert shipping.resize == round(shipping.resolution * min(crops, key=crops.__getitem__) / 96)
    assert [resolution for resolution, row in tried.items() if row["fits"]] == [r for r in ladder(net) if r <= 112]


def test_a_slower_machine_gets_a_smaller_picture(net: Network, val: Sequence[Sample]) -> None:
    shipping = choose_resolution(net, val, 80 / 0.97, clock(1.0), Journal())
    assert shipping.resolution == 80
    assert "Trained at 96 px, shipped at 80 px" in explain_resolution(96, shipping, 80, "val")[1]
    assert "ship at 72 px" in explain_resolution(96, shipping, 72, "val")[2]
    assert choose_resolution(net, val, 1.0, clock(1.0), Journal()).resolution == 48  # nothing fits: as near as it goes


def test_real_clock(net: Network) -> None:
    small, large = time_networks(
        [at_resolution(net, 48), at_resolution(net, 120)], 0, "onnxruntime", 1, 1000.0, Journal(), Here()
    )
    assert small.calls > 0 and large.calls > 0


@pytest.mark.parametrize(("busy", "looks"), [(0, 3), (1, 3), (5, 6), (99, 8)])
def test_a_busy_machine_is_waited_for(net: Network, monkeypatch: pytest.MonkeyPatch, busy: int, looks: int) -> None:
    """48 px are needed and take 1 ms alone, 3 ms in the first `busy` looks; 120 px never keep the 2 ms."""
    paused: list[float] = []

    def interleaved(calls, **_):
        ms = [3.0 if len(paused) <= busy else 1.0, 5.0]
        return {name: Latency(x, x, x, x, x, 9, 9) for name, x in zip(calls, ms, strict=True)}

    monkeypatch.setattr("pocketvision.fitting.clock.time_interleaved", interleaved)
    monkeypatch.setattr("pocketvision.fitting.ship.time", SimpleNamespace(sleep=paused.append))
    nets = [at_resolution(net, 48), at_resolution(net, 120)]
    found = time_networks(nets, 0, "onnxruntime", 1, 2.0, Journal(), Here())
    assert len(paused) == looks and paused == sorted(paused)
    assert found[0].high_ms == (3.0 if busy >= looks else 1.0)
