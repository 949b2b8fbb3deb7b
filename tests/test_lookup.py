"""The latency table: what its pieces are, how they are threaded, attributed and added up. No latency is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import command_environment
from pocketvision import measure
from pocketvision.blocks import Bneck, Conv, Valid
from pocketvision.errors import InputError
from pocketvision.heads import Classifier
from pocketvision.measure import lookup, worker
from pocketvision.measure.batches import Look, batched, digest
from pocketvision.measure.calls import TimedCall
from pocketvision.measure.chains import Chain, chains
from pocketvision.measure.correction import PRIOR, Correction, Example, cross_validated, fit, table_error
from pocketvision.measure.count_spec import count_spec
from pocketvision.measure.lookup import LatencyTable, table
from pocketvision.measure.machine import machine
from pocketvision.measure.pieces import Piece, distinct, pieces
from pocketvision.measure.place import Here
from pocketvision.measure.rowtimes import PIXELS, row_times
from pocketvision.models import create_spec
from pocketvision.spec import Spec

SHORT = Look(6, 0.001)


def small(name: str, out: int = 16, kernel: int = 3, side: int = 32) -> Spec:
    rows = (
        Conv(3, 8, "relu", 2),
        Bneck(kernel, 24, out, 8, "hswish", 2),
        Bneck(3, 2 * out, out, 0, "relu"),
        Bneck(5, 2 * out, out, 8, "relu"),
        Conv(1, 32, "hswish"),
    )
    return Spec(name, rows, Classifier(10), side)


def all_pieces(*specs: Spec) -> dict[str, Piece]:
    return distinct([piece for spec in specs for piece in pieces(spec)])


def test_a_piece_is_known_by_its_row_and_its_input() -> None:
    one, other = pieces(small("a")), pieces(small("b", kernel=7))
    assert [piece.name for piece in one] == [PIXELS, 0, 1, 2, 3, 4, "head"]
    assert [a.key == b.key for a, b in zip(one, other, strict=True)] == [True, True, False, True, True, True, True]
    assert len(all_pieces(small("a"), small("b"))) == 7 and len(all_pieces(small("a"), small("b", side=64))) == 14
    assert one[2].key == (
        "Bneck(kernel=3, expand=24, out=16, squeeze=8, act='hswish', stride=2, gate='hsigmoid') on 8x16x16"
    )


def seen(made: Sequence[Chain]) -> Counter[str]:
    return Counter(piece.key for chain in made for piece in chain.pieces.values())


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v3_small", "shufflenet_v2", "squeezenet_1.1"])
def test_every_piece_stands_in_a_chain_on_its_own_input(name: str) -> None:
    specs = [create_spec(name, resolution=96), create_spec(name, resolution=224)]
    wanted = all_pieces(*specs)
    made = chains(wanted.values(), wanted.values())
    assert set(seen(made)) == set(wanted)
    for chain in made:
        rows = {costs.row: costs for costs in count_spec(chain.spec).rows}
        for part, piece in chain.pieces.items():
            line = chain.spec.head if part == "head" else None if part == PIXELS else chain.spec.trunk[part]  # type: ignore[index]
            assert line == piece.line
            if part != PIXELS:
                assert (rows[part].input, rows[part].output) == (piece.input, piece.output)


def test_a_lone_piece_is_timed_among_others() -> None:
    known = all_pieces(small("a"), small("b", 24))
    wanted = next(piece for piece in known.values() if piece.name == 3)
    (chain,) = chains([wanted], known.values())
    assert seen([chain])[wanted.key] >= 1 and len(chain.pieces) > 4
    assert chains([], known.values()) == []


def test_batches_are_nearly_equal() -> None:
    assert [len(part) for part in batched([str(i) for i in range(25)])] == [8, 8, 9]
    assert list(batched([])) == []


def test_rows_without_padding_get_an_image_of_their_size() -> None:
    rows = (Valid(3, 8, "relu", 2), Conv(3, 16, "relu"), Valid(3, 16, "relu"), Conv(3, 16, "relu", 2))
    wanted = all_pieces(Spec("valid", rows, Classifier(3), 34))
    assert set(seen(chains(wanted.values()))) == set(wanted)


def test_warming_up_and_the_first_call_of_a_turn_are_not_counted() -> None:
    class Fake:
        def run(self) -> None: ...

        def finish(self) -> tuple[list[Any], dict[int | str, int]]:
            turn = [{0: 9.0, 1: 9.0}, {0: 1e-3}, {0: 2e-3, 1: 1e-3}, {0: 3e-3, 1: 1e-3}]
            return [{0: 50.0}] * 7 + turn * 6, {0: 3, 1: 1}

    found = row_times(Fake(), [[TimedCall(4e-3)] * 3] * 6)
    assert (found[0].ms, found[0].low_ms, found[0].high_ms, found[0].nodes) == pytest.approx((2, 2, 2, 3))
    assert found[1].ms == pytest.approx(1) and not found[0].is_shaky
    preempted = [TimedCall(4e-3), TimedCall(4e-3), TimedCall(9e-3, 5e-3)]  # what waited does not count
    assert row_times(Fake(), [preempted] * 6)[0].ms == pytest.approx(1.5)


def test_the_correction_is_what_the_networks_were_made_with() -> None:
    truth = Correction(1.05, 0.001, 0.05)
    examples = [Example(rows, nodes, truth.apply(rows, nodes)) for rows in (1, 3, 9) for nodes in (60, 100, 150)]
    found = fit(examples, "onnxruntime")
    assert vars(found) == pytest.approx({**vars(truth), "least_rows_ms": 1}, rel=0.25)
    assert max(map(abs, cross_validated(examples, "onnxruntime"))) < 0.02
    assert table_error(examples, "onnxruntime").networks == 9


def test_few_networks_hardly_move_the_correction() -> None:
    for runtime, expected in PRIOR.items():
        assert fit([], runtime) == Correction(*expected) and table_error([], runtime).networks == 0
        found = fit([Example(5.0, 100, 5.5)], runtime)
        assert found.apply(5.0, 100) == pytest.approx(5.5, rel=0.01)
        assert 1 < found.scale < 1.15 and expected[1] < found.per_node < 0.005


def test_what_the_profiler_adds_is_taken_off() -> None:
    truth = Correction(1.0, -0.004, -0.1)
    found = fit(
        [Example(rows, nodes, truth.apply(rows, nodes)) for rows in (2, 4, 9) for nodes in (60, 100, 150)], "torch"
    )
    assert vars(found) == pytest.approx({**vars(truth), "least_rows_ms": 2}, rel=0.2)
    assert Correction(1.0, -0.004, -0.1).apply(0.3, 100) == pytest.approx(0.03)  # never below a tenth of the rows


def test_what_a_run_saves_shrinks_below_the_networks_that_taught_it() -> None:
    learned = Correction(1.0, 0.0, -0.5, least_rows_ms=2.0)
    assert [learned.apply(ms, 0) for ms in (4.0, 2.0, 1.0, 0.5)] == pytest.approx([3.5, 1.5, 0.75, 0.375])


class Machine:
    """Stands in for the clock: every piece has a time, whole networks take 1.04 of the sum, and the speed drifts."""

    def __init__(self) -> None:
        self.chains: list[Chain] = []
        self.networks: list[str] = []
        self.speed = 1.0
        self.dies_after = 99

    def _busy(self) -> dict[str, Any]:
        self.dies_after -= 1
        if self.dies_after < 0:
            raise KeyboardInterrupt
        self.speed *= 1.1
        return {"reference_ms": 2 * self.speed, "load": 0.0, "time": "now"}

    @staticmethod
    def ms(piece: Piece) -> float:
        return 0.1 + sum(piece.key.encode()) % 100 / 100

    def time_chains(self, made: Sequence[Chain], how: Any) -> dict[str, Any]:
        around = self._busy()
        self.chains += made
        rows = {}
        for piece in (piece for chain in made for piece in chain.pieces.values()):
            ms = self.ms(piece) * self.speed
            time = {"ms": ms, "low_ms": ms, "high_ms": ms, "nodes": 5}
            rows[piece.key] = {"kind": piece.kind, "macs": piece.macs, "mac_bytes": piece.mac_bytes, **time}
        return {"rows": rows, **around}

    def time_networks(self, specs: Sequence[Spec], how: Any) -> dict[str, Any]:
        around = self._busy()
        self.networks += [spec.name for spec in specs]
        found = {}
        for spec in specs:
            ms = self.truth(spec) * self.speed
            found[digest(spec)] = {"spec": spec.to_json(), "median_ms": ms, "low_ms": ms, "high_ms": ms}
        return {"networks": found, **around}

    def truth(self, spec: Spec) -> float:
        return 1.04 * sum(map(self.ms, pieces(spec)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(lookup, "time_chains", made.time_chains)
    monkeypatch.setattr(lookup, "time_networks", made.time_networks)
    monkeypatch.setattr(worker, "with_peaks", lambda here, threads: {**here, "peaks": {}})
    return made


SPECS = [small(f"net{i}", out, kernel) for i, (out, kernel) in enumerate([(16, 3), (24, 5), (32, 3), (40, 7), (16, 7)])]


def test_unseen_networks_are_predicted_and_unknown_rows_timed(clock: Machine, capsys: pytest.CaptureFixture) -> None:
    made = table(SPECS, show=False)
    assert made.error.networks == 5 and made.error.p95 < 0.01
    speed = made.reference_ms / 2
    known, unknown = small("known", 24, 5), small("unknown", 48, 5)
    before = len(clock.chains)
    assert made.predict(known).ms == pytest.approx(clock.truth(known) * speed, rel=0.01)
    assert len(clock.chains) == before
    found = made.predict(unknown)
    assert found.ms == pytest.approx(clock.truth(unknown) * made.reference_ms / 2, rel=0.01)
    assert found.low < found.ms < found.high and found.missing == 0 and len(clock.chains) > before
    checked = made.check(unknown)
    assert abs(checked.error) < 0.01 and checked.drift > 1
    assert capsys.readouterr().out.startswith("unknown: predicted ")


def test_without_timing_missing_rows_are_guessed_and_said(clock: Machine) -> None:
    made, unknown = table(SPECS, show=False), small("unknown", 48, 5)
    batches = len(clock.chains)
    guessed = made.predict(unknown, extend=False)
    assert guessed.missing > 0 and guessed.ms > 0 and len(clock.chains) == batches
    exact = made.predict(unknown)
    assert (guessed.high - guessed.low) / guessed.ms > (exact.high - exact.low) / exact.ms


def test_a_killed_table_goes_on_where_it_was(clock: Machine, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    clock.dies_after = 1
    with pytest.raises(KeyboardInterrupt):
        table(SPECS, path=path, show=False)
    timed = seen(clock.chains)
    assert timed and not clock.networks
    clock.dies_after = 99
    first = table(SPECS, path=path, show=False)
    assert seen(clock.chains) == timed and len(clock.networks) == len(SPECS)
    second = table(SPECS, path=path, show=False)
    assert len(clock.networks) == len(SPECS)
    assert second.predict(SPECS[0]) == first.predict(SPECS[0])
    assert table([], path=path, show=False).to_json() == first.to_json()
    assert {"machine", "threads", "version", "runtime", "reference_ms", "error"} <= set(first.to_json())


def test_a_table_of_something_else_is_refused(clock: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lookup, "check_threads", lambda *_: None)  # two threads, wherever the test runs
    path = tmp_path / "table.json"
    table(SPECS, path=path, show=False)
    with pytest.raises(InputError, match="for threads 1, not 2: give another path"):
        table(SPECS, threads=2, path=path, show=False)
    other = tmp_path / "recipe.json"
    other.write_text('{"epochs": 3}')
    with pytest.raises(InputError, match=r"recipe\.json is not a latency table, and is left as it is"):
        table(SPECS, path=other, show=False)
    assert other.read_text() == '{"epochs": 3}'
    content = json.loads(path.read_text())
    for change, message in (
        ({"version": "0.9"}, "for version 0.9, not "),
        ({"machine": {**content["about"]["machine"], "cpu": "a toaster"}}, r"of another machine \(a toaster; its cpu"),
    ):
        path.write_text(json.dumps({**content, "about": {**content["about"], **change}}))
        with pytest.raises(InputError, match=message):
            table(SPECS, path=path, show=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"specs": []}, "nothing to time"),
        ({"specs": SPECS, "runtime": "abacus"}, "choose one of onnxruntime, torch"),
        ({"specs": SPECS, "threads": -1}, "give at least 1"),
        ({"specs": SPECS, "threads": 4096}, r"cannot use 4,096 threads: this process may use \d+ core"),
    ],
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(**options)


def test_the_cores_of_another_device_are_asked_there(clock: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    class Elsewhere(Here):
        @contextmanager
        def worker(self) -> Iterator[Any]:
            def ask(do: str, **request: Any) -> dict[str, Any]:
                asked.append(request)
                return {"machine": machine() | {"cores": 8}}

            yield SimpleNamespace(ask=ask)

    monkeypatch.setattr(lookup, "place_of", lambda device: Elsewhere())
    with pytest.raises(InputError, match="cannot use 9 threads: a process on ssh://board may use 8 cores"):
        table(SPECS, threads=9, device="ssh://board", show=False)
    assert asked == [{}]  # before any peak is measured there
    assert table(SPECS, threads=8, device="ssh://board", show=False).threads == 8


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_in_a_real_runtime(runtime: str, capsys: pytest.CaptureFixture) -> None:
    spec = replace(SPECS[0], channels=1)
    made = table([spec, SPECS[1]], runtime, look=SHORT, show=False)
    assert set(made.rows) == set(all_pieces(spec, SPECS[1]))
    assert all(known.time.ms > 0 and known.time.nodes > 0 for known in made.rows.values())
    assert made.check(small("third", 24, 3)).prediction.missing == 0
    assert "error" in capsys.readouterr().out


def test_the_name_needs_no_torch() -> None:
    code = "import sys, pocketvision.measure as m; assert 'table' in m.__all__; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=command_environment())
    assert measure.table is table


def test_a_table_is_usable_by_itself(clock: Machine, tmp_path: Path) -> None:
    made = table(SPECS, path=tmp_path / "t.json", show=False)
    assert isinstance(made, LatencyTable)
    assert "predictions are off by" in str(made) and str(made).startswith(f"latency table of {len(made.rows)} rows in")
