"""`fit`: time candidates, choose, train, export, verify, time again, report. Each step is resumed, none is assumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pocketvision import __version__
from pocketvision.arguments import as_annotated
from pocketvision.data.dataset import Dataset
from pocketvision.data.example import an_image
from pocketvision.data.kept import keeping_images
from pocketvision.data.record import provenance_of
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import require_classes
from pocketvision.fitting.budget import HEADROOM, headroom_here
from pocketvision.fitting.candidates import grid
from pocketvision.fitting.clock import Clock, clock_for
from pocketvision.fitting.contest import CONTEST, Contest, choice_once
from pocketvision.fitting.crossed import affordable_folds, cross_validate
from pocketvision.fitting.delivery import RESERVE, Delivery
from pocketvision.fitting.doctor import embedding_of
from pocketvision.fitting.insight import SECONDS, SHARE, look_closely, pictures_of
from pocketvision.fitting.learn import Start, train_at_a_rate_that_holds
from pocketvision.fitting.limits import Limits
from pocketvision.fitting.pretrained import Pretrained
from pocketvision.fitting.request import REPORT, check_begun, check_fit, default_out
from pocketvision.fitting.retime import retime as time_again
from pocketvision.fitting.schedule import CHECKING, CHOOSING, TIMING, TRAINING, Schedule, checking_seconds, core_share
from pocketvision.fitting.ship import Shipping
from pocketvision.fitting.survey import input_channels, survey
from pocketvision.fitting.timer import Timer
from pocketvision.fitting.verdict import make_report
from pocketvision.journal import Journal
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.report import write_report
from pocketvision.report.useit import use_it
from pocketvision.runfolder import RunFolder, examine_once, split_once
from pocketvision.training.device import make_accelerator
from pocketvision.training.history import History
from pocketvision.training.loop import train_network
from pocketvision.training.plan import More
from pocketvision.training.recipe import Recipe
from pocketvision.weights import Weights, open_weights, save

MODEL, EXPORTED = "model.safetensors", "model.onnx"
SHIPPING = "state/shipping.json"
CROSSING = "cross-validating"
TIMED, JUDGED = "state/timed.json", "state/judged.json"  # the steps towards these


@as_annotated("data", "budget", "time", "threads")
def fit(
    data: str | Path,
    budget: str,
    *,
    time: str = "30m",
    threads: int = 1,
    runtime: str = "onnxruntime",
    pretrained: str | Path | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    max_macs: str | None = None,
    max_params: str | None = None,
    max_size: str | None = None,
    max_memory: str | None = None,
    more_time: str | None = None,
    device: str = "auto",
    log: Sequence[str] = (),
    fresh: bool = False,
    retime: bool = False,
    strict: bool = False,
    download: bool = False,
    show: bool = True,
    command: str | None = None,
) -> dict[str, Any]:
    """The most accurate network for the images in `data` whose latency stays below `budget`.

    `budget` is a duration such as "5ms" for one call at batch 1 in `runtime` with `threads` threads; `time` bounds
    the training, short trainings included: timing candidates ends after two minutes besides, and what the whole job
    takes is said at its start. `device` is where to train, for a budget on this machine; or it is another device to
    measure on, "ssh://user@host" or "adb://SERIAL" (see `measure.remote.open_device`), and training is here.
    `max_macs`, `max_params` ("2M"), `max_size` and `max_memory` ("4MB") bound what else the network may cost. Writes
    model.safetensors, model.onnx, report.json, report.html into `out`, and returns the report.
    The same call goes on with an unfinished run in `out`; `more_time` trains a finished one for that much longer, and
    `retime` only times its file again, where the machine was too busy to tell, and rewrites verdict and report.
    `report["verdict"]["tick"]` says whether the network is one that can be used, `missing` and `help` what it lacks.
    `download` allows to fetch built-in data. The data is examined first; images that cannot be read are left out, or
    with `strict` an InputError. So is other bad input, and that nothing fits.
    """
    bounds = (max_macs, max_params, max_size, max_memory)
    asked = check_fit(data, budget, time, threads, runtime, pretrained, bounds, more_time, device, log)
    settings = asked.settings(data, threads, runtime, pretrained, seed, device)
    out = Path(out or default_out(data, budget))
    check_begun(out, settings, fresh, retime, more_time)
    device, clock = clock_for(device)
    make_accelerator(device)
    dataset = open_dataset(data, download=download)
    require_classes(dataset)
    weights = open_weights(pretrained) if pretrained else None
    folder = RunFolder(out, settings, REPORT, fresh, dataset, retime)
    with closing(clock), folder, keeping_images():
        if retime:
            folder.note_data(None, show)
            return time_again(folder, dataset, settings, clock, (MODEL, EXPORTED, REPORT), show)
        finished = folder.read(REPORT)
        folder.note_data(more_time, show)
        more = folder.continuation(more_time, forget=[SHIPPING, JUDGED])
        if finished is None or more:
            command = command or f"pocketvision.fit({data!r}, {budget!r})"
            how = How(settings, device, clock, tuple(log), more, strict, show, command)
            return _run(folder, dataset, how, weights)
    if show:
        say(f"{folder.out} holds this run, finished: nothing to do (--fresh starts it again, --more-time goes on)")
    return finished


@dataclasses.dataclass(frozen=True)
class How:
    """How a run is carried out: its settings, which never change, and what may differ when it is taken up again."""

    settings: dict[str, Any]
    device: str
    clock: Clock
    loggers: tuple[str, ...]
    more: More | None
    strict: bool
    show: bool
    command: str


def _run(
    folder: RunFolder,
    dataset: Dataset,
    how: How,
    weights: Weights | None,
) -> dict[str, Any]:
    """All steps, each taken up where an earlier process left it."""
    use = use_it(folder.out / EXPORTED, an_image(dataset))
    settings, show, clock, schedule = how.settings, how.show, how.clock, Schedule(how.show)
    clock.machine()  # a device that cannot be reached is known before the images are looked at
    seed, threads, runtime, budget_ms = (settings[key] for key in ("seed", "threads", "runtime", "budget_ms"))
    dataset, seen = examine_once(folder, dataset, lambda: embedding_of(weights), how.strict, show)
    dataset = split_once(folder, dataset, seed, seen)
    looked = survey(dataset.splits["train"])
    channels = input_channels(looked, weights)
    limits = Limits(**settings["limits"])
    known = Pretrained.of(weights, len(dataset.classes), channels) if weights else None
    headroom = HEADROOM if clock.device else headroom_here()
    journal = Journal(folder.out / TIMED)
    timer = Timer(len(dataset.classes), channels, runtime, threads, journal=journal, clock=clock, headroom=headroom)

    def announce(timing: float) -> None:
        if timing:
            schedule.plan(TIMING, min(CHOOSING, timing))
        if schedule.said is not None:  # while the timing goes on
            schedule.look()
            return
        schedule.plan(TRAINING, how.more.seconds if how.more else settings["seconds"], at_most=True)
        schedule.plan(CHECKING, checking_seconds(_held_out(dataset), budget_ms, core_share()), at_most=True)
        schedule.announce()

    candidates = grid(timer.classes, channels, looked.side, known, limits)
    choice = choice_once(folder, timer, candidates, budget_ms, show, announce)
    clock.close()  # training may take hours: no connection has to last that long
    start = Start(dataset.classes, channels, seed, weights, dataset.task, looked.side)
    contest = Contest(folder, start, dataset, settings["seconds"], how.device, show, timer.journal)
    if schedule.said is None:  # chosen by an earlier process
        announce(0.0)
    schedule.end(TIMING)
    found = contest.decide(choice)
    winner, reason = found.contender, found.reason
    if show:
        say(reason)
    ms = choice.expected_ms(winner.candidate) or budget_ms
    schedule.plan(TRAINING, contest.training_seconds(found))
    schedule.plan(CHECKING, checking_seconds(_held_out(dataset), ms, core_share()))
    schedule.look()
    seconds = (1 - RESERVE) * found.seconds

    def train(net: Network, recipe: Recipe) -> History:
        return train_network(net, dataset, recipe, seconds, folder.out, show, how.more, how.device, how.loggers)

    net, history = train_at_a_rate_that_holds(
        lambda: start.network(winner.candidate), train, winner.recipe, show, timer.journal
    )
    schedule.end(TRAINING)
    schedule.plan(CHECKING, checking_seconds(_held_out(dataset), ms, core_share()))
    schedule.look()
    net.to("cpu")
    net.provenance.update(provenance_of(dataset), command=how.command, seed=seed, pocketvision=__version__)
    delivery = Delivery(
        folder.out, folder.out / EXPORTED, dataset, settings, clock, how.device, show,
        Journal(folder.out / JUDGED), history,
    )  # fmt: skip
    shipped = delivery.ship(net, _shipping(folder, delivery, net))
    left = settings["seconds"] - history.seconds
    folds = 0 if how.more else affordable_folds(shipped.result.images, history.seconds, left)
    crossed = None
    if folds:
        schedule.plan(CROSSING, folds * history.seconds)
        schedule.look("the held-out images are few, all are cross-validated")
        crossed = cross_validate(
            lambda: start.network(winner.candidate), dataset, seen, history, folds, left, folder.out / "state",
            how.device, show, delivery.journal,
        )  # fmt: skip
    save(shipped.net, folder.out / MODEL)
    in_time = min(SECONDS, SHARE * settings["seconds"])
    file = folder.out / EXPORTED
    closer = look_closely(shipped.net, dataset, shipped.result, shipped.split, show, in_time, file, threads)
    rows = [{**row, "chosen": row["model"] == winner.candidate.name} for row in choice.rows]
    report = {
        **make_report(shipped, crossed, rows, reason, history, dataset, settings, str(folder.out), how.command, clock),
        **closer,
        "use": use,
        "contest": folder.read(CONTEST, list) or [],
        "doctor": seen.to_json(),
        "took": schedule.to_json(),
    }
    write_report(report, folder.out / "report.html", pictures_of(shipped.net, dataset, closer))
    folder.write(REPORT, report)  # last: its presence says that the run is finished
    folder.continued()
    return report


def _held_out(dataset: Dataset) -> int:
    """Images that the network is checked on."""
    return len(dataset.splits["val"]) + len(dataset.splits.get("test", ()))


def _shipping(folder: RunFolder, delivery: Delivery, net: Network) -> Shipping:
    """The resolution that ships; chosen once, then remembered in the run folder."""
    saved = folder.read(SHIPPING)
    if saved is None:
        found = delivery.choose_size(net)
        folder.write(SHIPPING, found.to_json())
        return found
    return Shipping.from_json(saved)
