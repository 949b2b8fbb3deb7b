"""Checkpoints as real training scripts write them: read without executing anything, averaged weights first."""

from __future__ import annotations

import argparse
import collections
import datetime
import hashlib
import itertools
import os
import sys
import types
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import pocketvision as pv
from pocketvision.weights import checkpoint, open_weights

torchvision = pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.squeezenet1_1(num_classes=3).eval()


@pytest.fixture(scope="module")
def average(network: nn.Module) -> AveragedModel:
    """As torchvision's ExponentialMovingAverage is made; its numbers are not those of `network`."""
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    averaged.update_parameters(network)
    for parameter in averaged.parameters():
        parameter.data.mul_(1.5)
    return averaged


def stem(source: Any) -> torch.Tensor:
    return pv.create_model("squeezenet_1.1", classes=3, weights=source).trunk[0].conv.weight


def of_torchvision(network: nn.Module, **more: Any) -> dict[str, Any]:
    """What train.py of torchvision's references/classification saves."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    arguments = argparse.Namespace(model="squeezenet1_1", lr=0.1, opt="sgd", output_dir=Path("/runs/1"), clip=None)
    states = {"optimizer": optimizer.state_dict(), "lr_scheduler": schedule.state_dict()}
    return {"model": network.state_dict(), **states, "epoch": 3, "args": arguments, **more}


def test_torchvisions_checkpoint_with_its_arguments(network: nn.Module, tmp_path: Path) -> None:
    torch.save(of_torchvision(network), tmp_path / "model_3.pth")
    found = checkpoint.read(tmp_path / "model_3.pth")
    assert found.architecture == "squeezenet1_1"
    assert torch.equal(stem(tmp_path / "model_3.pth"), network.state_dict()["features.0.weight"])


@pytest.mark.parametrize("key", ["model_ema", "ema_state_dict", "swa_model"])
def test_averaged_weights_are_taken_and_it_is_said(
    network: nn.Module, average: AveragedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    torch.save(of_torchvision(network, **{key: average.state_dict()}), tmp_path / "checkpoint.pth")
    assert torch.equal(stem(tmp_path / "checkpoint.pth"), 1.5 * network.state_dict()["features.0.weight"])
    assert f"its averaged weights ({key}) are taken, not those of the last step (model)" in capsys.readouterr().err


def test_an_average_of_something_else_is_left_and_it_is_said(
    network: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shadow = {name: torch.zeros(1) for name, _ in list(network.named_parameters())[:3]}
    torch.save({"state_dict": network.state_dict(), "ema": shadow}, tmp_path / "checkpoint.pth")
    assert torch.equal(stem(tmp_path / "checkpoint.pth"), network.state_dict()["features.0.weight"])
    assert "its averaged weights (ema) name other tensors than state_dict, which is taken" in capsys.readouterr().err


def test_timms_checkpoint(tmp_path: Path) -> None:
    """What timm's train.py saves, by timm's own saver: arguments, metric, EMA."""
    timm, utils = pytest.importorskip("timm"), pytest.importorskip("timm.utils")
    net = timm.create_model("mobilenetv2_035", num_classes=3)
    ema = utils.ModelEmaV3(net)
    with torch.no_grad():
        ema.module.conv_stem.weight.mul_(1.5)
    arguments = argparse.Namespace(model="mobilenetv2_035", lr=0.1, mean=None)
    saver = utils.CheckpointSaver(
        net, torch.optim.SGD(net.parameters(), lr=0.1), args=arguments, model_ema=ema,
        amp_scaler=utils.NativeScaler(device="cpu"), checkpoint_dir=str(tmp_path),
    )  # fmt: skip
    saver.save_checkpoint(3, metric=np.float64(71.5))
    (path,) = tmp_path.glob("checkpoint-3.pth.tar")
    found = open_weights(path)
    assert (found.family, found.width, checkpoint.read(path).architecture) == ("mobilenet_v2", 0.35, "mobilenetv2_035")
    assert torch.equal(found.tensors["conv_stem.weight"], ema.module.conv_stem.weight)


def lightning(state: dict[str, Any]) -> dict[str, Any]:
    """As Trainer.save_checkpoint of pytorch_lightning 2.5.5 writes it."""
    return {
        "epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.5.5", "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}}}, "callbacks": {"ModelCheckpoint": {"kth_value": torch.tensor(1.0)}},
        "optimizer_states": [], "lr_schedulers": [], "hparams_name": "kwargs",
        "hyper_parameters": {"lr": np.float32(0.1), "cfg": argparse.Namespace(arch="squeezenet1_1")},
    }  # fmt: skip


def renamed(network: nn.Module, prefix: str) -> dict[str, Any]:
    return {prefix + name: tensor for name, tensor in network.state_dict().items()}


class Lit(nn.Module):
    """The attributes of a usual Lightning module."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.model = network
        self.criterion = nn.CrossEntropyLoss(weight=torch.ones(3))


class Compiled(nn.Module):
    """As torch.compile wraps a network (which itself takes seconds to import)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._orig_mod = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._orig_mod(x)


WRAPPED: dict[str, Callable[[nn.Module, AveragedModel], Any]] = {
    "DataParallel": lambda net, _: nn.DataParallel(net).state_dict(),
    "compiled": lambda net, _: Compiled(net).state_dict(),
    "a compiled part": lambda net, _: {
        name.replace("features.3.", "features.3._orig_mod."): tensor for name, tensor in net.state_dict().items()
    },
    "compiled, parallel": lambda net, _: {"state_dict": nn.DataParallel(Compiled(net)).state_dict()},
    "averaged, parallel": lambda net, _: AveragedModel(nn.DataParallel(net)).state_dict(),
    "Lightning": lambda net, _: lightning(Lit(net).state_dict()),
    "Lightning, compiled": lambda net, _: lightning(renamed(net, "net._orig_mod.")),
    "FSDP": lambda net, _: renamed(net, "_fsdp_wrapped_module."),
}


@pytest.mark.parametrize("case", WRAPPED)
def test_what_a_network_was_wrapped_in(network: nn.Module, average: AveragedModel, tmp_path: Path, case: str) -> None:
    content = WRAPPED[case](network, average)
    torch.save(content, tmp_path / "checkpoint.pth")
    for source in (tmp_path / "checkpoint.pth", content):
        assert torch.equal(stem(source), network.state_dict()["features.0.weight"])


def test_an_average_beside_the_network_in_a_lightning_module(
    network: nn.Module, average: AveragedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {**renamed(network, "model."), **renamed(average, "ema.")}
    torch.save(lightning(state), tmp_path / "epoch=1.ckpt")
    assert torch.equal(stem(tmp_path / "epoch=1.ckpt"), 1.5 * network.state_dict()["features.0.weight"])
    assert "the tensors of ema are taken, those of model are not" in capsys.readouterr().err


def test_wrapped_live_networks(network: nn.Module, average: AveragedModel) -> None:
    for wrapped in (nn.DataParallel(network), Compiled(network)):
        assert torch.equal(stem(wrapped), network.state_dict()["features.0.weight"])
    assert torch.equal(stem(average), average.module.features[0].weight)


HARMLESS: dict[str, Any] = {
    "NumPy's numbers": {"best": np.float64(0.5), "step": np.int64(3), "good": np.bool_(True), "half": np.float16(0.5)},
    "NumPy's arrays": {"random": np.random.default_rng(0).integers(9, size=3), "names": np.array(["a", "b"])},
    "random state": {"rng": np.random.RandomState(0).get_state()},
    "containers": {"history": collections.defaultdict(list, {"loss": [0.1]}), "best": (1, {2}, [3])},
    "paths": {"args": argparse.Namespace(data=Path("/data"), sub=argparse.Namespace(a=1))},
    "version": {"torch": torch.__version__},
    "queues and counts": {"last": collections.deque([0.1, 0.2], maxlen=5), "n": collections.Counter("aab")},
    "dates": {"on": datetime.date(2024, 1, 2), "at": datetime.datetime.now(datetime.UTC), "time": datetime.time(1, 2)},
    "built in": {"epochs": range(3), "frozen": frozenset({1, 2}), "part": slice(1, None), "seen": {1}, "raw": b"a"},
    "ordered": {"log": collections.OrderedDict(a=1), "space": types.SimpleNamespace(lr=0.1), "d": Decimal("0.1")},
    "counts by name": {"history": collections.defaultdict(int, {"a": 1}), "d": collections.defaultdict(float)},
    "Windows": {"args": argparse.Namespace(out=PureWindowsPath("C:/runs"))},
    "PyTorch's own": {"size": torch.Size([1, 2]), "device": torch.device("cpu"), "dtype": torch.float16},
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("case", HARMLESS)
def test_what_only_holds_data_is_read(network: nn.Module, tmp_path: Path, case: str, zipped: bool) -> None:
    content = {"state_dict": network.state_dict(), **HARMLESS[case]}
    torch.save(content, tmp_path / "checkpoint.pth", _use_new_zipfile_serialization=zipped)
    assert len(checkpoint.read(tmp_path / "checkpoint.pth").tensors) == len(network.state_dict())


def of_library(name: str, base: type) -> type:
    """A class that says it is `name` of a library that is not installed here."""
    module, _, own = name.rpartition(".")
    return type(own, (base,), {"__module__": module})


CONFIGURATIONS = {
    "easydict.EasyDict": dict,
    "yacs.config.CfgNode": dict,
    "addict.addict.Dict": dict,
    "omegaconf.dictconfig.DictConfig": object,
    "omegaconf.nodes.AnyNode": object,
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations_of_libraries_are_read_without_them(
    network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind = of_library(name, CONFIGURATIONS[name])
    module = types.ModuleType(kind.__module__)
    setattr(module, kind.__name__, kind)
    config = kind()
    config.__dict__.update(lr=0.1, _content={"arch": "squeezenet1_1"})
    if CONFIGURATIONS[name] is dict:
        config["arch"] = "squeezenet1_1"
    with monkeypatch.context() as patch:
        for parent in itertools.accumulate(kind.__module__.split("."), "{}.{}".format):
            patch.setitem(sys.modules, parent, module)
        torch.save({"state_dict": network.state_dict(), "config": config}, tmp_path / "checkpoint.pth")
    found = checkpoint.read(tmp_path / "checkpoint.pth")
    assert len(found.tensors) == len(network.state_dict()) and kind.__module__ not in sys.modules
    assert found.architecture == ("squeezenet1_1" if CONFIGURATIONS[name] is dict else "")


class Mode(Enum):
    FAST = "fast"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_type_of_the_scripts_own_is_named(network: nn.Module, tmp_path: Path, zipped: bool) -> None:
    content = {"state_dict": network.state_dict(), "mode": Mode.FAST}
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(pv.InputError, match=r"holds test_checkpoints.Mode: save the network's state_dict\(\) alone"):
        open_weights(tmp_path / "net.pth")


NESTED: dict[str, Callable[[Any], Any]] = {
    "a state dict in a model": lambda state: {"model": {"state_dict": state, "epoch": 3}},
    "weights": lambda state: {"weights": state},
    "net": lambda state: {"net": state},
    "the module of an average": lambda state: {"ema": {"module": state, "updates": 3}},
    "the average of a model": lambda state: {"model": {"params": prefixed({}, "x."), "ema": {"state_dict": state}}},
    "DeepSpeed": lambda state: {"module": state, "ds_version": "0.14"},
    **{
        prefix: lambda state, prefix=prefix: {"state_dict": prefixed(state, prefix)}
        for prefix in (
            "cnn.", "_model.", "student.", "teacher.", "backbone.", "encoder.", "module.cnn.", "module._model.",
            "module.student.", "_model.module.", "model.module.cnn.",
        )
    },
}  # fmt: skip


def prefixed(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize("case", NESTED)
def test_wherever_a_script_puts_the_network(network: nn.Module, case: str) -> None:
    state = network.state_dict()
    assert torch.equal(stem(NESTED[case](state)), state["features.0.weight"])


@pytest.mark.parametrize("name", ["a.pth.tar", "a.pt", "a.ckpt", "a.bin", "a.pth-3f2a91bc", "a-3f2a91bc", "3f" * 32])
def test_whatever_the_file_is_called(network: nn.Module, tmp_path: Path, name: str) -> None:
    state = network.state_dict()
    torch.save({"state_dict": state}, tmp_path / name)
    assert torch.equal(stem(tmp_path / name), state["features.0.weight"])
    with pytest.raises(pv.InputError, match="of another library.* give a.* network's name and --pretrained"):
        pv.load(tmp_path / name)
    save_file(state, tmp_path / name)  # as in the cache of the Hub
    assert torch.equal(stem(tmp_path / name), state["features.0.weight"])


@pytest.mark.parametrize("nested", [True, False])
def test_of_student_and_teacher_somebody_has_to_say_which(network: nn.Module, tmp_path: Path, nested: bool) -> None:
    state = network.state_dict()
    pair = {"student": state, "teacher": {name: 1.5 * tensor for name, tensor in state.items()}}
    content = (
        pair if nested else {"state_dict": {**prefixed(state, "student."), **prefixed(pair["teacher"], "teacher.")}}
    )
    torch.save(content, tmp_path / "net.pth")
    for source in (tmp_path / "net.pth", content):
        with pytest.raises(pv.InputError, match="holds two networks, student and teacher: say which, as FILE@student"):
            open_weights(source)
        for part, factor in (("student", 1), ("teacher", 1.5)):
            found = open_weights(source, part)
            assert torch.equal(found.tensors["features.0.weight"], factor * state["features.0.weight"])
    for said in ("teacher", "teacher@squeezenet1_1"):
        assert torch.equal(stem(f"{tmp_path / 'net.pth'}@{said}"), 1.5 * state["features.0.weight"])
    with pytest.raises(pv.InputError, match="this state dict holds no teacher: leave it out"):
        open_weights(state, "teacher")


class Executed:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pickle-was-executed",)


class Unknown:
    """A class of the script's own."""


@pytest.mark.parametrize(("value", "named"), [(Executed(), "posix.mkdir"), (Unknown(), "Unknown"), (print, "print")])
def test_code_beside_harmless_types_is_refused_by_name(
    network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": network.state_dict(), "args": argparse.Namespace(lr=0.1, x=value)}, "checkpoint.pth")
    with pytest.raises(pv.InputError, match=f"holds .*{named}.*: save the network's state_dict"):
        open_weights("checkpoint.pth")
    torch.save(value, "whole.pth")
    with pytest.raises(pv.InputError, match="more than plain tensors"):
        open_weights("whole.pth")
    assert not (tmp_path / "pickle-was-executed").exists()


def test_a_whole_module_names_what_to_save(network: nn.Module, tmp_path: Path) -> None:
    torch.save(network, tmp_path / "whole.pth")
    with pytest.raises(pv.InputError, match=r"SqueezeNet.*: save the network's state_dict\(\) alone"):
        open_weights(tmp_path / "whole.pth")


def test_a_name_that_ends_in_eight_digits_by_chance(network: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "run-deadbeef.pth"
    torch.save(network.state_dict(), path)
    assert torch.equal(stem(path), network.state_dict()["features.0.weight"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    for name in ("run-deadbeef.pth", "run.pth"):  # a file of today tells itself that it was altered
        (tmp_path / name).write_bytes(data)
        with pytest.raises(pv.InputError, match=rf"{name} is damaged \(the checksum of"):
            open_weights(tmp_path / name)


def test_an_old_file_whose_name_has_its_hash(network: nn.Module, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "old.pth").read_bytes()
    named = tmp_path / f"old-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    named.write_bytes(data)
    if checkpoint.HASHED.search(named.name):
        assert torch.equal(stem(named), network.state_dict()["features.0.weight"])
    (tmp_path / "old-deadbeef.pth").write_bytes(data)
    with pytest.raises(pv.InputError, match="where the name means something else, rename it"):
        open_weights(tmp_path / "old-deadbeef.pth")
