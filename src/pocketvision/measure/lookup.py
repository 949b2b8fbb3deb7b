"""How long any network of a space takes on this device, from the times of the rows that it is made of.

    table = pv.measure.table(specs, "onnxruntime", path="table.json")
    table.predict(spec)      # Prediction(ms=4.91, low=4.72, high=5.10, missing=0)
    table.check(spec)        # prints the prediction beside a measurement

The rows are timed inside chains (`chains.py`), whole networks teach the correction and the error (`correction.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from pocketvision.errors import InputError
from pocketvision.journal import Journal
from pocketvision.measure.batches import ORDINARY, How, Look, batched, digest, time_chains, time_networks
from pocketvision.measure.chains import chains
from pocketvision.measure.correction import Example, TableError, fit, table_error
from pocketvision.measure.count_spec import count_spec
from pocketvision.measure.estimates import GUESS_ERROR, Check, Known, Prediction, Whole, guess
from pocketvision.measure.pieces import Piece, distinct, pieces
from pocketvision.measure.place import Here, Place, place_of
from pocketvision.measure.rowtimes import CLOCKED, RowTime
from pocketvision.progress import Steps, say
from pocketvision.runtimes import get_runtime
from pocketvision.runtimes.cores import check_threads
from pocketvision.spec import Spec
from pocketvision.units import counted, percent

FORMAT_VERSION = 3
FINGERPRINT = ("cpu", "architecture", "instructions", "cores")  # of `machine()`: what another machine has otherwise
WHOLE_NETWORKS = 30  # of the specs are timed as wholes too, for the correction and the error
REFERENCES = 4  # of the specs, from small to large: their time says how fast the machine is
LEAST_NETWORKS = 5  # below, the table does not know its own error
UNKNOWN_ERROR = 0.1
T = TypeVar("T")


def table(
    specs: Spec | Iterable[Spec],
    runtime: str = "onnxruntime",
    threads: int = 1,
    path: str | Path | None = None,
    look: Look = ORDINARY,
    show: bool = True,
    device: str | None = None,
) -> LatencyTable:
    """A latency table of the rows of `specs` for this machine, `runtime` and `threads` (0: all cores).

    `device` is another machine to time on (`ssh://user@host`); its connection lasts until the table's `close()`.

    `path` is a JSON file that keeps everything: what is in it is not timed again, so a killed run goes on where it
    was, and a finished table is there at once. The first 30 specs are timed as wholes too. InputError for no specs,
    for a runtime that cannot time rows, for more threads than usable cores, and for a file from another machine,
    runtime version or number of threads.
    """
    wanted = [specs] if isinstance(specs, Spec) else list(specs)
    if runtime not in CLOCKED:
        raise InputError(f"a latency table cannot time rows in {runtime!r}: choose one of {', '.join(CLOCKED)}")
    if threads < 0:
        raise InputError(f"cannot time on {threads} threads: give at least 1, or 0 for all cores")
    if device is None:
        check_threads(threads)
    get_runtime(runtime)
    place = place_of(device)
    journal = Journal(Path(path) if path else None)
    if journal.known and "about" not in journal.known:
        raise InputError(f"{path} is not a latency table, and is left as it is: give another path to make one")
    if not wanted and "about" not in journal.known:
        raise InputError("there is nothing to time: give a latency table at least one spec")
    try:
        with place.worker() as worker:
            check_threads(threads, worker.ask("machine")["machine"]["cores"], device or "")
            there = worker.ask("machine", threads=[threads])["machine"]
        about = {
            "format_version": FORMAT_VERSION,
            "runtime": runtime,
            "version": there["versions"].get(runtime),
            "threads": threads or there["cores"],
            "machine": there,
            "references": [spec.to_json() for spec in _spread(wanted)],
        }
        _refuse_others(journal.once("about", lambda: about), about, path)
        made = LatencyTable(journal, look, show, place)
        made.extend(wanted)
        made.time_whole(wanted[:WHOLE_NETWORKS])
    except BaseException:
        place.close()
        raise
    if show:
        say(str(made))
    return made


class LatencyTable:
    """Times of pieces and of whole networks on one machine, in one runtime, on some threads; see `table`."""

    def __init__(self, journal: Journal, look: Look = ORDINARY, show: bool = True, place: Place | None = None) -> None:
        self.journal, self.show, self.place = journal, show, place or Here()
        about = journal.known["about"]
        self.runtime: str = about["runtime"]
        self.version: str = about["version"]
        self.threads: int = about["threads"]
        references = tuple(Spec.from_json(text) for text in about["references"])
        self.how = How(references, self.runtime, self.threads, look, self.place)
        self.rows: dict[str, Known] = {}  # by the key of the piece, at the table's speed
        self.networks: dict[str, Whole] = {}  # by digest
        self.reference_ms = 0.0  # the references' time (geometric mean), which is the table's speed
        self.correction = fit([], self.runtime)
        self.error = TableError(UNKNOWN_ERROR, UNKNOWN_ERROR, 0)
        self._add_up()

    def extend(self, specs: Spec | Iterable[Spec]) -> int:
        """Time all pieces of `specs` that are not in the table yet; how many they were."""
        everyone = [specs] if isinstance(specs, Spec) else list(specs)
        met = distinct([piece for spec in everyone for piece in pieces(spec)])
        missing = [piece for key, piece in met.items() if key not in self.rows]
        self._time_rows(missing, met)
        # Once more what a busy machine disturbed.
        self._time_rows([piece for piece in missing if self.rows[piece.key].time.is_shaky], met)
        return len(missing)

    def time_whole(self, specs: Iterable[Spec]) -> None:
        """Time whole networks, which the correction and the table's error are learned from; known ones are left."""
        missing = {digest(spec): spec for spec in specs if digest(spec) not in self.networks}
        self._time_networks(list(missing.values()))
        self._time_networks([spec for name, spec in missing.items() if self.networks[name].is_shaky])

    def _time_rows(self, wanted: list[Piece], filling: dict[str, Piece]) -> None:
        threaded = chains(wanted, filling.values(), seed=len(self.journal.known))
        for batch in self._steps("timing rows", list(batched(threaded))):
            self._keep("rows", time_chains(batch, self.how))

    def _time_networks(self, specs: list[Spec]) -> None:
        for batch in self._steps("timing networks", list(batched(specs))):
            self._keep("networks", time_networks(batch, self.how))

    def predict(self, spec: Spec, extend: bool = True) -> Prediction:
        """The time of `spec`. Pieces that the table lacks are timed and added; without `extend` they are guessed."""
        found = pieces(spec)
        if extend and any(piece.key not in self.rows for piece in found):
            self.extend(spec)
        missing = [piece for piece in found if piece.key not in self.rows]
        times = [self.rows[piece.key].time for piece in found if piece.key in self.rows]
        guessed = [guess(piece, self.rows.values()) for piece in missing]
        ms = self._sum(times + guessed)
        share = self.correction.scale * sum(time.ms for time in guessed) / ms
        off = self.error.p95 + GUESS_ERROR * share
        return Prediction(ms, ms * (1 - off), ms * (1 + off), len(missing))

    def check(self, spec: Spec) -> Check:
        """Predict, then measure, and print both with the error. The table learns nothing from it."""
        prediction = self.predict(spec)
        found = time_networks([spec], self.how)
        drift = found["reference_ms"] / self.reference_ms
        ((_, latency),) = found["networks"].items()
        measured, low, high = (latency[key] / drift for key in ("median_ms", "low_ms", "high_ms"))
        checked = Check(spec.name, prediction, measured, low, high, drift)
        print(checked)
        return checked

    def to_json(self) -> dict[str, Any]:
        """What the table knows, at one speed: everything that a prediction needs."""
        return {
            **self.journal.known["about"],
            "reference_ms": self.reference_ms,
            "correction": vars(self.correction),
            "error": vars(self.error),
            "rows": {key: {"kind": known.kind, **vars(known.time)} for key, known in self.rows.items()},
            "networks": len(self.networks),
        }

    def close(self) -> None:
        """Disconnect from another device, where nothing stays behind; what the table knows can still be asked for."""
        self.place.close()

    def _keep(self, what: str, found: dict[str, Any]) -> None:
        """A batch into the journal: what is there is never timed again."""
        self.journal.once(f"batch {len(self.journal.known)}: {what}", lambda: found)
        self._add_up()

    def _steps(self, label: str, batches: list[T]) -> Iterator[T]:
        with Steps(label, max(1, len(batches)), self.show) as steps:
            for number, batch in enumerate(batches, 1):
                yield batch
                steps.done(number)

    def _sum(self, times: Iterable[RowTime]) -> float:
        taken = list(times)
        return self.correction.apply(sum(time.ms for time in taken), sum(time.nodes for time in taken))

    def _add_up(self) -> None:
        """Everything in the journal at one speed of the machine: the median of the references' times.

        Of two looks at the same thing the clearer one counts. (The faster one would make everything look faster that
        was looked at twice.)
        """
        batches = [found for name, found in self.journal.known.items() if name != "about"]
        if not batches:
            return
        self.reference_ms = median(batch["reference_ms"] for batch in batches)
        self.rows, self.networks = {}, {}
        for batch in batches:
            speed = self.reference_ms / batch["reference_ms"]
            for key, row in batch.get("rows", {}).items():
                time = RowTime(row["ms"] * speed, row["low_ms"] * speed, row["high_ms"] * speed, row["nodes"])
                if key not in self.rows or time.width < self.rows[key].time.width:
                    self.rows[key] = Known(time, row["kind"], row["macs"], row["mac_bytes"])
            for name, network in batch.get("networks", {}).items():
                taken = (network[which] * speed for which in ("median_ms", "low_ms", "high_ms"))
                whole = Whole(Spec.from_json(network["spec"]), *taken)
                if name not in self.networks or whole.width < self.networks[name].width:
                    self.networks[name] = whole
        examples = self.examples()
        self.correction = fit(examples, self.runtime)
        if len(examples) >= LEAST_NETWORKS:
            self.error = table_error(examples, self.runtime)

    def examples(self) -> list[Example]:
        """The whole networks whose pieces are all known."""
        found = []
        for whole in self.networks.values():
            times = [self.rows[piece.key].time for piece in pieces(whole.spec) if piece.key in self.rows]
            if len(times) == len(whole.spec.trunk) + 2:
                found.append(Example(sum(time.ms for time in times), sum(time.nodes for time in times), whole.ms))
        return found

    def __str__(self) -> str:
        error = self.error
        rows = counted(len(self.rows), "row")
        if not error.networks:
            return f"latency table of {rows}; too few whole networks to know the error of predictions"
        return (
            f"latency table of {rows} in {self.runtime} {self.version}, {counted(self.threads, 'thread')}: "
            f"predictions are off by {percent(error.median)} (median) and {percent(error.p95)} (95th percentile) for "
            f"{counted(error.networks, 'whole network')}, each left out of the fit"
        )


def _spread(specs: Sequence[Spec]) -> list[Spec]:
    """Specs from small to large in equal steps of rank, to be the references."""
    ordered = sorted(specs, key=lambda spec: count_spec(spec).macs)
    count = min(REFERENCES, len(ordered))
    return [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]


def _refuse_others(found: dict[str, Any], here: dict[str, Any], path: str | Path | None) -> None:
    """InputError unless the table was made on this machine, by this runtime, on as many threads."""
    for name in ("format_version", "runtime", "version", "threads"):
        if found.get(name) != here[name]:
            raise InputError(
                f"{path} is a latency table for {name.replace('_', ' ')} {found.get(name)}, not {here[name]}: "
                "give another path to make one"
            )
    for name in FINGERPRINT:
        if found["machine"].get(name) != here["machine"][name]:
            raise InputError(
                f"{path} is a latency table of another machine ({found['machine'].get('cpu')}; its {name} "
                "differs): give another path to make one for this machine"
            )
