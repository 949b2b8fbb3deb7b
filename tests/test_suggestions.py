"""A name that is nearly one of ours: the message says which, wherever names are typed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pocketvision.validation import nearest, suggestion

FIT = ["fit", "digits", "--budget", "5ms"]
TRAIN = ["train", "digits", "--model"]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (["models", "mobilnet_v2"], "mobilenet_v2"),
        (["models", "mobilnet*"], "mobilenet*"),
        (["models", "Xceptoin"], "xception"),
        (["bench", "mobilnet_v3_large"], "mobilenet_v3_large"),
        (["bench", "mobilenet_v2", "--runtime", "onxruntime"], "onnxruntime"),
        (["profile", "mobilenet_v2", "--runtime", "torhc"], "torch"),
        (["guidelines", "--only", "chanels"], "channels"),
        (["export", "mobilenet_v2", "--to", "onx"], "onnx"),
        ([*TRAIN, "mobilenet_v2", "--set", "mixp=0.2"], "mixup"),
        ([*TRAIN, "mobilenet_v2", "--set", "policy=trivia"], "trivial"),
        ([*TRAIN, "mobilenet_v2", "--set", "optimizer=adam"], "adamw"),
        ([*TRAIN, "mobilenet_v2", "--log", "tensorbord"], "tensorboard"),
        ([*TRAIN, "mobilenet_v2", "--device", "cud"], "cuda"),
        ([*TRAIN, "squeezenet_1.1", "--bypass", "simpel"], "simple"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_was_meant(line: list[str], meant: str, call_cli: Callable) -> None:
    status, out, err = call_cli(*line)
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert f"did you mean '{meant}'?" in err


def test_nothing_near() -> None:
    assert nearest("zzz", ["torch", "onnx"]) is None and nearest("", ["torch"]) is None
    assert suggestion("zzz", ["torch", "onnx"]) == "choose one of torch, onnx"
    assert nearest("FASHION_MNIST", ["digits", "fashion-mnist"]) == "fashion-mnist"
    assert nearest("torch", ["torch_folded", "torch_compiled"]) == "torch_folded"  # the first that begins so
