"""From the trained network to the file that ships: its size, the export, the check, the time. No accuracy is given up
unseen: what must become smaller is judged again, and trained further where that costs more than the noise."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pocketvision.data.dataset import Dataset
from pocketvision.evaluation import Evaluation, evaluate_samples
from pocketvision.exporting import export
from pocketvision.fitting.budget import is_kept, until_kept
from pocketvision.fitting.clock import Clock
from pocketvision.fitting.insight import calibrate_network
from pocketvision.fitting.lost import Lost, is_far_below, validated
from pocketvision.fitting.ship import Shipping, at_resolution, choose_resolution, ladder, time_networks
from pocketvision.fitting.timer import FILE
from pocketvision.journal import Journal
from pocketvision.measure.latency import Latency
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.report.text import percent
from pocketvision.runtimes import get_runtime
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.scores import MultilabelEvaluation
from pocketvision.training.history import History
from pocketvision.training.loop import train_network
from pocketvision.training.recipe import Recipe

FORMAT = "onnx"
RESERVE = 0.1  # of the time for training: kept for a network that must become smaller after it
GENTLER = 0.3  # times the peak rate of the training before
FEWER = 4  # times fewer epochs than that training


@dataclass(frozen=True)
class Shipped:
    """The network that ships, as exported, checked, timed and judged on `split`."""

    net: Network
    check: dict[str, Any]
    latency: Latency
    load: list[float] | None  # averages of the machine that timed it, at that moment
    result: Evaluation | MultilabelEvaluation
    split: str
    shipping: Shipping
    lost: Lost | None


@dataclass
class Delivery:
    """How a run ships what it has trained. `trained` is what the training came to."""

    out: Path  # the run's folder
    exported: Path
    dataset: Dataset
    settings: dict[str, Any]
    clock: Clock
    device: str
    show: bool
    journal: Journal
    trained: History
    fine_tuned: int = 0  # px, the last size that it was trained further at

    def ship(self, net: Network, shipping: Shipping) -> Shipped:
        """Export, compare, time, ever smaller while the budget is surely missed; then judge the file."""
        own, budget_ms = net.spec.size[0], self.settings["budget_ms"]
        split = "test" if self.dataset.splits.get("test") else "val"
        held_out, val = self.dataset.splits[split], self.dataset.splits["val"]
        net, needed = self.resized(net, shipping.resolution, shipping.resize), shipping.row(own).get("high_ms")
        while True:
            calibrate_network(net, val, self.show)
            check = export(net, FORMAT, self.exported, [sample.image for sample in held_out], self.show)
            latency, load = self.time_file(self.exported, net.spec.name)
            needed = latency.high_ms if net.spec.size[0] == own else needed
            smaller = [side for side in ladder(net) if side < net.spec.size[0] and 2 * side >= own]
            if is_kept(latency, budget_ms) is not False or not smaller:
                break
            if self.show:
                say(f"{net.spec.name} needs up to {latency.high_ms:.3g} ms: trying {smaller[-1]} px")
            net = self.resized(net, smaller[-1], round(smaller[-1] * shipping.resize / shipping.resolution))
        runnable = get_runtime(self.settings["runtime"]).load(self.exported)
        result = evaluate_samples(runnable, held_out, self.show)
        on_val = result if split == "val" else evaluate_samples(runnable, val, self.show)
        net.metrics = {**result.to_json(), "split": split}
        lost, before = None, validated(self.trained, result.metric)
        if before is not None and is_far_below(on_val, before):
            side = net.spec.size[0]
            given_up = needed if side < own else None
            lost = Lost(result.metric, before, on_val.value, own, side, side == self.fine_tuned, given_up)
        return Shipped(net, check, latency, load, result, split, shipping, lost)

    def resized(self, net: Network, side: int, resize: int) -> Network:
        """The network at `side` px; trained further there, where the size is a smaller one and costs accuracy.

        What that makes no better stays as it was.
        """
        own, net = net.spec.size[0], at_resolution(net, side, resize)
        if side >= own:
            return net
        found = evaluate_samples(torch_runtime.load(net), self.dataset.splits["val"], show=False)
        if not is_far_below(found, before := validated(self.trained, found.metric)):
            return net
        seconds = max(RESERVE * self.settings["seconds"], self.settings["seconds"] - self.trained.seconds)
        if self.show:
            say(
                f"{own} px -> {side} px: from {percent(before)} to {percent(found.value)}; training it further at "
                f"{side} px"
            )
        before_it = copy.deepcopy(net.state_dict())
        # Named by the training before too, so that one that was continued begins a new one.
        state = self.out / "state" / f"fine-tuning-{side}-after-{len(self.trained.epochs)}"
        train_network(
            net, self.dataset, fine_tuning(self.trained.recipe), seconds, state, self.show, device=self.device
        )
        net.to("cpu")
        if evaluate_samples(torch_runtime.load(net), self.dataset.splits["val"], show=False).value > found.value:
            self.fine_tuned = side
        else:
            net.load_state_dict(before_it)  # there was too little time for it
        return net

    def time_file(self, path: Path, name: str) -> tuple[Latency, list[float] | None]:
        """Latency of the file that ships, and the load averages of the machine meanwhile."""

        def look(number: int) -> dict[str, Any]:
            def time() -> dict[str, Any]:
                runtime, threads = self.settings["runtime"], self.settings["threads"]
                latency = self.clock.time([path], runtime, threads, FILE)[0]
                return {**latency.to_json(), "load": self.clock.machine().get("load")}

            timed: dict[str, Any] = self.journal.once(f"{name}, file, attempt {number}", time)
            return timed

        found = until_kept(look, self.settings["budget_ms"])
        return Latency.from_json(found), found["load"]

    def choose_size(self, net: Network) -> Shipping:
        """The resolution that ships, by time and by validation loss."""
        runtime, threads = self.settings["runtime"], self.settings["threads"]

        def timed(nets: Sequence[Network], needed: int, enough_ms: float) -> list[Latency]:
            return time_networks(nets, needed, runtime, threads, enough_ms, self.journal, self.clock)

        return choose_resolution(net, self.dataset.splits["val"], self.settings["budget_ms"], timed, self.journal)


def fine_tuning(recipe: Recipe) -> Recipe:
    """How trained weights get used to another size: gently, all of them, for a part of the epochs."""
    return replace(
        recipe,
        epochs=max(1, recipe.epochs // FEWER),
        lr=GENTLER * recipe.lr,
        head_warmup=0.0,
        progressive=1.0,
        patience=0,
    )
