"""What every test may ask for: the shared reference data, a cache of its own, the command line."""

from __future__ import annotations

import gc
import inspect
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
from _pytest.assertion import util

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights beside the checkout; POCKETVISION_SHARED may name another."""
    folder = Path(os.environ.get("POCKETVISION_SHARED") or ROOT.parent / "shared")
    if not (folder / "data").is_dir() or not (folder / "weights").is_dir():
        pytest.skip(f"no data/ and weights/ in {folder}: set POCKETVISION_SHARED to the folder that has them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the session, so that tests neither use nor fill the user's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POCKETVISION_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """PyTorch on one thread: on networks as small as those of the tests, several mostly wait for each other."""
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(1)


# The files that take longest, so that two workers end at about the same time: whole files go to one worker.
LONGEST = (
    "test_readme",
    "test_fit",
    "test_remote",
    "test_multilabel",
    "test_real_weights",
    "test_resume",
    "test_bench",
    "test_distributed",
    "test_folds",
    "test_zoo",
    "test_training",
    "test_count",
    "test_families",
    "test_lookup",
    "test_names",
    "test_torture",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first (with pytest-xdist's own order switched off, see the Makefile)."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def pytest_collection_finish() -> None:
    """Libraries and tests stay to the end: no garbage collection needs to look at their half a million objects."""
    gc.collect()
    gc.freeze()


ASSERTS_ELSEWHERE = ("raises(", "assert_", "check=True")  # NumPy's and torch's own, and programs that must succeed
in_a_test = asserted = False


def pytest_assertion_pass(item: pytest.Item, lineno: int, orig: str, expl: str) -> None:
    """An `assert` statement held (enable_assertion_pass_hook in pyproject.toml): one is enough, to word all is slow."""
    global asserted
    asserted = True
    if in_a_test:
        util._assertion_pass = None  # pytest sets it again for the next test


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A test that passes without having asserted anything fails: its loop had nothing to go over."""
    global in_a_test, asserted
    in_a_test, asserted = True, False
    try:
        result = yield
    finally:
        in_a_test = False
    if not asserted and not any(way in inspect.getsource(pyfuncitem.function) for way in ASSERTS_ELSEWHERE):
        pytest.fail("it asserted nothing")
    return result


class Ran(NamedTuple):
    """How a command line ended; unpacks as (returncode, stdout, stderr)."""

    returncode: int
    stdout: str
    stderr: str


def command_environment() -> dict[str, str]:
    """For child processes: this checkout's package, and plain text whatever terminal the tests run in."""
    loud = ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "GITHUB_ACTIONS")
    environment = {key: value for key, value in os.environ.items() if key not in loud}
    paths = [str(ROOT / "src"), environment.get("PYTHONPATH", "")]
    environment.setdefault("OMP_NUM_THREADS", "1")  # as in `one_thread`
    return {**environment, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


@pytest.fixture(scope="session")
def run_cli() -> Callable[..., Ran]:
    """`returncode, stdout, stderr = run_cli("predict", path, "--json", cwd=folder)`: a real second process."""

    def run(*args: object, cwd: Path | None = None, env: dict[str, str] | None = None, timeout: float = 600) -> Ran:
        command = [sys.executable, "-m", "pocketvision", *map(str, args)]
        environment = {**command_environment(), **(env or {})}
        done = subprocess.run(
            command, cwd=cwd, env=environment, timeout=timeout, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def call_cli() -> Callable[..., Ran]:
    """`run_cli` inside this process: seconds cheaper, because nothing is imported anew. Some of each kind are real."""
    from pocketvision.cli import main

    def call(*args: object, cwd: Path | None = None) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["pocketvision", *map(str, args)])
            if cwd is not None:
                patch.chdir(cwd)
            with pytest.raises(SystemExit) as ended:
                main()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, out.getvalue(), err.getvalue())

    return call
