"""Another device: a real sshd on loopback, and a stand-in for adb. Nothing here asserts a latency."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import pocketvision as pv
from conftest import command_environment
from loopback import MISSING, Loopback, loopback, running_in, wait_until, write_program
from pocketvision.blocks import Conv
from pocketvision.fitting.clock import Here, Look, There, clock_for
from pocketvision.heads import Classifier
from pocketvision.measure import batches, keeper, place, table
from pocketvision.measure.remote import open_device, read_address
from pocketvision.measure.remote_device import RemoteDevice
from pocketvision.measure.ssh import Ssh
from pocketvision.measure.wheel import build_wheel
from pocketvision.runtimes import onnxruntime
from pocketvision.spec import Spec

CLEAN_SECONDS = 15  # for the other side to notice and to clean up, on a busy machine
needs_sshd = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    with loopback(tmp_path_factory.mktemp("sshd"), sessions=2) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(server.folder / "bin"), prepend=os.pathsep)
        yield server


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = pv.create_model("mobilenet_v2", width=0.25, resolution=32, classes=3)
    return onnxruntime.convert(net, tmp_path_factory.mktemp("net") / "net.onnx")


def ask(process: subprocess.Popen[str], **request: object) -> dict:
    """One line of JSON to the worker, one back; what its libraries print in between is passed over."""
    print(json.dumps(request), file=process.stdin, flush=True)
    line = next(line for line in iter(process.stdout.readline, "") if line.startswith("{"))
    return json.loads(line)


def gone(device: RemoteDevice) -> bool:
    return not Path(device.folder).exists() and not running_in(device.folder)


def figures(device: RemoteDevice, exported: Path) -> None:
    """A network is opened and run there, by code that was copied there, and says where."""
    process = device.start()
    opened = ask(process, do="open", runtime="onnxruntime", path=device.put(exported), threads=1, batch=1, seed=0)
    assert "error" not in opened
    assert {link.name for link in Path(device.folder).iterdir()} >= {"package", "processes"}
    assert ask(process, do="machine")["machine"]["cores"] >= 1
    assert running_in(device.folder) == [process_there(device)]
    told = Path("/proc", str(process_there(device)), "environ").read_bytes().split(b"\0")
    assert f"POCKETVISION_CACHE={device.folder}/cache".encode() in told  # else it would leave files in the user's own


def process_there(device: RemoteDevice) -> int:
    return int(*(path.name for path in Path(device.folder, "processes").iterdir()))


@needs_sshd
def test_figures_come_back_and_nothing_stays(server: Loopback, exported: Path) -> None:
    with open_device(server.device) as device:
        assert device.name == server.host
        figures(device, exported)
    assert gone(device)
    device.close()  # once more does no harm


@needs_sshd
def test_a_file_is_copied_once_and_again_when_it_has_changed(server: Loopback, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    with open_device(server.device) as device:
        there = Path(device.put(path))
        there.write_text("untouched")
        assert device.put(path) == str(there) and there.read_text() == "untouched"
        path.write_text("22")
        assert device.put(path) == str(there) and there.read_text() == "22"
        device.clear()
        assert not there.exists()
        assert Path(device.put(path)).read_text() == "22"


@needs_sshd
def test_a_worker_that_has_ended_leaves_nothing_here(server: Loopback) -> None:
    with closing(place.There(server.device)) as there:
        for _ in range(2):
            with there.worker() as worker:
                worker.ask("conditions")
        device = there._connected
        assert list(device._complaints) == [device._keeper]


@needs_sshd
def test_the_command_measures_there_and_says_so(server: Loopback, exported: Path, call_cli) -> None:
    status, stdout, stderr = call_cli("bench", exported, "--device", server.device, "--json")
    assert status == 0, stderr
    printed = json.loads(stdout)
    (row,) = printed["results"] if isinstance(printed, dict) else printed
    assert row["device"] == server.host and row["median_ms"] > 0


@needs_sshd
def test_the_clock_of_fit(server: Loopback, exported: Path) -> None:
    training, clock = clock_for(server.device)
    assert training == "auto" and isinstance(clock, There) and clock.device == server.host
    with closing(clock):
        assert clock.machine()["cores"] >= 1
        one, two = clock.time([exported, exported], "onnxruntime", 1, Look(6, 0.0, 1.0))
        assert one.rounds == two.rounds == 6 and one.calls >= 18
        with pytest.raises(pv.InputError, match=rf"on {server.host}: cannot read .*: is a directory"):
            clock.time([exported.parent], "onnxruntime", 1, Look(6, 0.0, 1.0))
    assert [type(where) for where in clock_for("cpu")] == [str, Here]
    with pytest.raises(pv.InputError, match="names no device"):
        clock_for("ftp://pi")


def of_two_rows(width: int) -> Spec:
    return Spec(f"small{width}", (Conv(3, 8, "relu", 2), Conv(3, width, "relu", 2)), Classifier(3), 32)


@needs_sshd
def test_a_latency_table_of_the_device(server: Loopback, tmp_path: Path) -> None:
    path, look = tmp_path / "table.json", batches.Look(6, 0.001)
    specs = [of_two_rows(16), of_two_rows(24)]
    with closing(table(specs, path=path, look=look, show=False, device=server.device)) as made:
        folder = made.place._connected.folder
        assert made.place.device == server.host and Path(folder, "package").exists()
        assert not [entry for entry in Path(folder).iterdir() if entry.name.isdigit()]  # copies are removed when read
        assert len(made.networks) == 2 and all(known.time.nodes > 0 for known in made.rows.values())
        assert made.check(of_two_rows(32)).prediction.missing == 0
    assert not Path(folder).exists() and not running_in(folder)
    assert set(json.loads(path.read_text())["about"]["machine"]) >= {"cpu", "cores", "load", "time"}
    known = len(made.rows)
    with closing(table(specs, path=path, look=look, show=False, device=server.device)) as made:
        assert len(made.rows) == known
    with pytest.raises(pv.InputError, match="names no device"):
        table(specs, device="ftp://pi")


@needs_sshd
def test_a_worker_ends_with_its_input(server: Loopback) -> None:
    with open_device(server.device) as device:
        process = device.start()
        process.stdin.close()
        wait_until(lambda: not running_in(device.folder), CLEAN_SECONDS)
        assert Path(device.folder).is_dir()


@needs_sshd
def test_a_cut_connection_is_one_sentence(server: Loopback, exported: Path) -> None:
    with open_device(server.device) as device:
        process = device.start()
        server.cut()
        assert process.stdout.readline() == ""
        lost = device.lost(process)
        assert isinstance(lost, pv.InputError)
        assert re.fullmatch(r"the connection to ssh://\S+ was cut: .* try again when it is back", str(lost))
        wait_until(lambda: gone(device), CLEAN_SECONDS)
        with pytest.raises(pv.InputError, match=r"the connection to ssh://\S+ was cut"):
            device.put(exported)
        with pytest.raises(pv.InputError, match=r"the connection to ssh://\S+ was cut"):
            device.start()


@needs_sshd
def test_a_command_that_is_cut_half_way(server: Loopback, exported: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pocketvision",
        "bench",
        exported,
        "--device",
        f"{server.device}&folder={tmp_path}",
    ]
    environment, pipe = command_environment(), subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as parent:
        wait_until(lambda: len(running_in(str(tmp_path))) > 1, 60)  # who tells of the machine, and who measures
        server.cut()
        stdout, stderr = parent.communicate(timeout=60)
    assert parent.returncode == 2 and stdout == ""
    assert re.fullmatch(r"error: the connection to ssh://\S+ was cut: .*\n", stderr)
    wait_until(lambda: not any(tmp_path.iterdir()) and not running_in(str(tmp_path)), CLEAN_SECONDS)


@needs_sshd
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_measurement_leaves_nothing_there(
    server: Loopback, number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = "device = open_device(sys.argv[1]); device.start(); print(device.folder, flush=True); time.sleep(60)"
    command = [sys.executable, "-c", f"import sys, time; from {open_device.__module__} import open_device; {program}"]
    environment = {**command_environment(), "TMPDIR": str(tmp_path_factory.mktemp("here"))}
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, server.device], env=environment, stdout=pipe, stderr=pipe, text=True) as parent:
        folder = parent.stdout.readline().strip()
        assert folder, parent.stderr.read()
        assert Path(folder).is_dir() and running_in(folder)
        os.kill(parent.pid, number)
    wait_until(lambda: not Path(folder).exists() and not running_in(folder), CLEAN_SECONDS)


@needs_sshd
def test_who_is_not_let_in_reads_one_sentence(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_there = Ssh("127.0.0.1", 1)
    with pytest.raises(pv.InputError, match=r"ssh://127\.0\.0\.1:1: cannot reach it, nothing listens on that port"):
        open_device("ssh://127.0.0.1:1")
    with pytest.raises(pv.InputError, match="its name is unknown"):
        open_device("ssh://nobody.invalid")
    with pytest.raises(pv.InputError, match=r"its host key is unknown here: run 'ssh -p \d+ localhost' once"):
        open_device(f"ssh://localhost:{server.port}")
    assert "not the known one" in str(nobody_there.why("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!"))
    nobody_there.close()
    config = server.folder / "ssh_config"
    mine = config.read_text()
    try:
        config.write_text(mine.replace("/user\n", "/stranger\n"))
        with pytest.raises(pv.InputError, match=r"it refuses the key: put yours there with 'ssh-copy-id'"):
            open_device(server.device)
    finally:
        config.write_text(mine)


@needs_sshd
def test_what_a_device_lacks(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(pv.InputError, match=r"ssh://\S+ has no '/nowhere/python3' to run: install Python 3.11 there"):
        open_device(f"{server.host}?python=/nowhere/python3")
    bare = write_program(tmp_path / "bin" / "bare python", f'exec {sys.executable} -I -S "$@"')
    with pytest.raises(pv.InputError, match=r"lacks numpy and pillow: run there '.*bare python -m pip install numpy"):
        open_device(f"{server.host}?python={bare}")
    with pytest.raises(pv.InputError, match=r"no temporary folder can be made \(no such file or directory\)"):
        open_device(f"{server.device}&folder=/nowhere")


@needs_sshd
def test_a_device_without_the_runtime_says_what_to_install(server: Loopback, tmp_path: Path, exported: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ModuleNotFoundError('no onnxruntime here', name='onnxruntime')")
    python = write_program(tmp_path / "bin" / "python", f'PYTHONPATH={tmp_path}:$PYTHONPATH exec {sys.executable} "$@"')
    with open_device(f"{server.host}?python={python}") as device:
        process = device.start()
        opened = ask(process, do="open", runtime="onnxruntime", path=device.put(exported), threads=1, batch=1, seed=0)
    assert re.search(r"needs onnxruntime, .* pip install onnxruntime", opened["error"])


@needs_sshd
def test_a_full_device(server: Loopback, tmp_path: Path) -> None:
    """/dev/full stands for the disk."""
    folder = tmp_path / "of files"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "it's").write_text("1")
    with open_device(server.device) as device:
        copy = Path(device.put(folder), "below", "it's")
        assert copy.read_text() == "1"
        copy.unlink()
        copy.symlink_to("/dev/full")
        problem = (
            rf"{server.host}: cannot write .*/it's \(.*No space left on device\): make room there, or name a folder"
        )
        with pytest.raises(pv.InputError, match=problem):
            device.put(folder)
    assert gone(device)


def test_adb_by_the_same_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported: Path) -> None:
    """The stand-in has one device, this machine."""
    write_program(
        tmp_path / "bin" / "adb",
        """if [ "$1" = -s ]; then
    [ "$2" = emulator-5554 ] || { echo "adb: device '$2' not found" >&2; exit 1; }
    shift 2
fi
case "$1 $2" in
    "shell -T") shift 2; exec sh -c "$*" ;;
    push*) cp "$2" "$3" && echo "$2: 1 file pushed" ;;
    *) echo "unknown: $*" >&2; exit 1 ;;
esac""",
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    options = f"python={sys.executable}&folder={tmp_path}"
    with open_device(f"adb://emulator-5554?{options}") as device:
        assert device.name == "adb://emulator-5554" and device.folder.startswith(str(tmp_path))
        figures(device, exported)
    assert gone(device)
    with pytest.raises(pv.InputError, match=r"adb://pixel: adb does not see it: 'adb devices' should list it"):
        open_device(f"adb://pixel?{options}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pv.InputError, match="needs the program 'adb'"):
        open_device("adb://")


@pytest.mark.parametrize(
    "text",
    ["pi", "ftp://pi", "ssh://", "ssh://pi/home", "ssh://-oProxyCommand=x", "ssh://[::1", "ssh://a b", "adb://-x"],
)
def test_what_is_no_device(text: str) -> None:
    with pytest.raises(pv.InputError, match=r"names no device.*: give ssh://user@host"):
        open_device(text)


def test_an_unknown_option_of_a_device() -> None:
    with pytest.raises(pv.InputError, match=r"pyton is no option of a device"):
        open_device("ssh://pi?pyton=3")


def test_ipv6_and_ports() -> None:
    read = [read_address(text) for text in ("ssh://me@[fe80::1]:22", "ssh://Pi", "ssh://10.0.0.2:2222?folder=/data")]
    assert [(each.target, each.port) for each in read] == [("me@fe80::1", 22), ("Pi", None), ("10.0.0.2", 2222)]
    assert [each.place for each in read] == [None, None, "/data"] and read[2].name == "ssh://10.0.0.2:2222"


def test_a_silent_connection_ends_what_it_started(tmp_path: Path) -> None:
    """A pulled cable closes nothing: the device waits for a sign of life, and then cleans up."""
    program = f"{Path(keeper.__file__).read_text()}\nkeep({str(tmp_path)!r}, ('json', 'nosuch'), 1.0)"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as kept:
        found = json.loads(kept.stdout.readline())
        assert found["missing"] == ["nosuch"] and found["python"] == list(sys.version_info[:2])
        stubborn = f"trap '' TERM; echo $$ > {found['folder']}/processes/$$; while :; do sleep 1; done"
        with subprocess.Popen(["sh", "-c", stubborn], cwd=found["folder"], start_new_session=True) as started:
            assert kept.wait(30) == 0
            assert started.wait(1) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_nothing_could_be_started_is_removed(tmp_path: Path) -> None:
    """A full disk had room for the folder, and none for the one that lists its processes."""
    folder = tmp_path / "pocketvision-x"
    folder.mkdir()
    (folder / "file").write_text("")
    assert keeper.started(str(folder)) == []
    keeper.clean(str(folder))
    assert not folder.exists()


def test_the_wheel_is_one(tmp_path: Path) -> None:
    """pip would install it, and it runs without torch."""
    path = build_wheel(tmp_path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        record = next(name for name in names if name.endswith(".dist-info/RECORD"))
        assert {line.split(",")[0] for line in archive.read(record).decode().splitlines()} == set(names)
        archive.extractall(tmp_path / "package")
    assert not [name for name in names if "__pycache__" in name]
    assert path.read_bytes() == build_wheel(tmp_path).read_bytes()
    program = (
        "import sys; sys.modules['torch'] = None; import pocketvision.measure.machine as m; "
        "assert m.__file__.startswith(sys.argv[1]); print(m.machine()['versions']['pocketvision'])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "package")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == pv.__version__
