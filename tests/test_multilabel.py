"""Images with several labels: how a table says so, and all the way to the exported file on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pocketvision as pv
from datafolders import plant
from pocketvision.data.dataset import Dataset
from pocketvision.data.folds import deal_folds
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import class_counts, load_splits, require_classes, save_splits, split
from pocketvision.errors import InputError
from pocketvision.results import Result
from pocketvision.scores import MultilabelEvaluation, average_precision
from pocketvision.training.losses import objective
from pocketvision.training.mixing import mixing
from pocketvision.training.recipe import Recipe

# --- what a table says


def table(folder: Path, text: str, **options: object) -> Dataset:
    plant(folder, *(f"{name}.png" for name in "abcde"))
    (folder / "labels.csv").write_text(text)
    return open_dataset(folder, **options)


def shown(dataset: Dataset) -> dict[str, set[str]]:
    return {s.name[0]: {dataset.classes[i] for i in s.labels} for part in dataset.splits.values() for s in part}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,labels\na.png,cat|dog\nb.png,\nc.png,dog\n", {"a": {"cat", "dog"}, "b": set(), "c": {"dog"}}),
        ("path,labels\na.png,cat; dog;cat\nb.png,bird;\n", {"a": {"cat", "dog"}, "b": {"bird"}}),
        ("path;labels\na.png;cat|dog\n", {"a": {"cat", "dog"}}),
        ("path,label\na.png,cat|dog\nb.png,cat\nc.png,dog\n", {"a": {"cat", "dog"}, "b": {"cat"}, "c": {"dog"}}),
        (
            "path,Cat,dog,group\na.png,1,1,x\nb.png,0,0,x\nc.png,0.0,1.0,\n",
            {"a": {"Cat", "dog"}, "b": set(), "c": {"dog"}},
        ),
    ],
)
def test_several_labels(tmp_path: Path, text: str, expected: dict[str, set[str]]) -> None:
    dataset = table(tmp_path / "data", text)
    assert dataset.task == "multilabel" and shown(dataset) == expected
    assert all(sample.label == -1 for sample in dataset.splits["train"])


@pytest.mark.parametrize(
    "names",
    [
        ("Apple|scab", "Apple|rust", "Grape|rot"),  # a hierarchy in the names
        ("salt;pepper", "salt", "thyme|salt?"),  # every name would have to stand alone
        ("a|b", "c|d", "e|f"),
        ("1", "0", "1"),
    ],
)
def test_ordinary_tables_stay_single(tmp_path: Path, names: tuple[str, ...]) -> None:
    if "salt" in names:
        with pytest.raises(
            InputError, match="line 2: salt;pepper could be one class or several: call the column labels"
        ):
            table(
                tmp_path / "data", "path,label\n" + "".join(f"{i}.png,{n}\n" for i, n in zip("abc", names, strict=True))
            )
        return
    dataset = table(
        tmp_path / "data", "path,label\n" + "".join(f"{i}.png,{n}\n" for i, n in zip("abc", names, strict=True))
    )
    assert dataset.task == "classify" and set(dataset.classes) == set(names)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "path,cat,width\na.png,1,640\n",
            {},
            "line 2: 640 in the column width: without a column label, each is a class",
        ),
        ("path,cat,dog\na.png,1,\n", {}, "line 2: nothing in the column dog"),
        ("path,cat,dog\na.png,1,-1\n", {}, "line 2: -1 in the column dog"),
        ("path,group\na.png,1\n", {}, "needs the columns path and label, found: path, group"),
        ("path,labels\na.png,cat|dog\na.png,cat\n", {}, r"line 3: a\.png is labelled cat, but cat\|dog further up"),
        ("path,labels\na.png,cat|dgo\n", {"classes": ["cat", "dog"]}, "class dgo .* did you mean dog"),
        ("path,labels\na.png,cat|dog\n", {"task": "classify"}, "line 2: the image has several classes or none"),
    ],
)
def test_tables_that_make_no_sense(tmp_path: Path, text: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        table(tmp_path / "data", text, **options)
    assert "\n" not in str(caught.value)


def test_a_column_label_comes_first(tmp_path: Path) -> None:
    dataset = table(tmp_path / "data", "path,label,labels\na.png,cat,x|y\nb.png,dog,x\n")
    assert dataset.task == "classify" and dataset.classes == ("cat", "dog")


def test_the_network_decides_what_its_data_mean(tmp_path: Path) -> None:
    one, several = {"classes": ["a|b", "c"], "task": "classify"}, {"classes": ["a", "b", "c"], "task": "multilabel"}
    text = "path,label\na.png,a|b\nb.png,c\n"
    assert shown(table(tmp_path / "1", text, **one)) == {"a": {"a|b"}, "b": {"c"}}
    assert shown(table(tmp_path / "2", text, **several)) == {"a": {"a", "b"}, "b": {"c"}}
    assert table(tmp_path / "3", "path,labels\na.png,c\n", **one).splits["train"][0].label == 1
    with pytest.raises(InputError, match="gives each image one class, the network any number"):
        open_dataset(plant(tmp_path / "4", "a/1.png", "b/1.png"), **several)


# --- splits


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 x 16 px with up to two real digits, 0 to 3, in opposite corners; the column `labels` says which."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("pairs")
    lines = ["path,labels"]
    for i in range(360):
        picture, found = np.zeros((16, 16)), set()
        for side in (0, 8):
            digit = random.choice(5, p=[0.2, 0.3, 0.2, 0.1, 0.2])
            if digit < 4:
                picture[side : side + 8, side : side + 8] = digits.images[
                    random.choice(np.flatnonzero(digits.target == digit))
                ]
                found.add(f"digit{digit}")
        Image.fromarray((picture * 15).astype(np.uint8)).save(folder / f"{i:03}.png")
        lines.append(f"{i:03}.png,{'|'.join(sorted(found))}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_every_class_keeps_its_share(pairs: Path, tmp_path: Path) -> None:
    dataset = open_dataset(pairs)
    require_classes(dataset)
    parts = split(dataset, seed=1)
    counts = class_counts(parts)
    assert len(parts.splits["val"]) == pytest.approx(72, abs=4)
    for name in dataset.classes:
        share = counts["val"][name] / (counts["val"][name] + counts["train"][name])
        assert share == pytest.approx(0.2, abs=0.03)
    assert split(dataset, seed=1) == parts != split(dataset, seed=2)
    save_splits(parts, tmp_path / "splits.json")
    assert load_splits(tmp_path / "splits.json", open_dataset(pairs)) == parts
    (whole,) = class_counts(dataset).values()
    for fold in class_counts(deal_folds(dataset, 4)).values():
        assert all(abs(fold[name] - whole[name] / 4) <= 4 for name in dataset.classes)


def test_copies_stay_together(pairs: Path) -> None:
    dataset = open_dataset(pairs)
    copies = [{f"{3 * i:03}.png", f"{3 * i + 1:03}.png"} for i in range(120)]
    parts = split(dataset, together=copies)
    held_out = {sample.name for sample in parts.splits["val"]}
    assert all(len(copy & held_out) in (0, 2) for copy in copies) and 60 <= len(held_out) <= 84


def test_labels_that_changed_are_noticed(tmp_path: Path) -> None:
    text = "path,labels\na.png,cat|dog\nb.png,cat\n"
    save_splits(table(tmp_path / "data", text), tmp_path / "splits.json")
    changed = table(tmp_path / "data", text.replace("cat|dog", "dog|emu"))
    with pytest.raises(InputError, match=r"a\.png was labelled cat\|dog in .* and is dog\|emu"):
        load_splits(tmp_path / "splits.json", changed)


# --- figures


def test_the_figures_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(1)
    truth = random.random((300, 4)) < [0.5, 0.2, 0.05, 0.3]
    scores = np.round(np.clip(truth * 0.3 + random.random((300, 4)) * 0.7, 0, 1), 2).astype(np.float32)  # with ties
    found = MultilabelEvaluation(truth, scores)
    assert found.map == pytest.approx(metrics.average_precision_score(truth, scores, average="macro"))
    assert found.f1 == pytest.approx(metrics.f1_score(truth, scores >= 0.5, average="micro"))
    assert found.exact == pytest.approx(metrics.accuracy_score(truth, scores >= 0.5))
    weights = random.integers(0, 4, (2, 300))
    for row, own in zip(weights, average_precision(truth[:, 0], scores[:, 0], weights), strict=True):
        assert own == pytest.approx(metrics.average_precision_score(truth[:, 0], scores[:, 0], sample_weight=row))
    low, high = found.interval
    assert low < found.map < high and high - low < 0.2


def test_a_class_that_does_not_occur_does_not_count() -> None:
    truth = np.array([[True, False], [False, False]])
    assert MultilabelEvaluation(truth, np.array([[0.9, 0.5], [0.1, 0.6]], np.float32)).map == 1.0
    assert MultilabelEvaluation(truth[1:], np.array([[0.1, 0.2]], np.float32)).map == 0.0


def test_the_loss_is_binary_cross_entropy(tmp_path: Path) -> None:
    dataset = table(tmp_path / "data", "path,labels\na.png,cat|dog\nb.png,\nc.png,dog\n")
    several = objective(dataset)
    numbers = torch.tensor([s.label for s in several.samples("train")])
    targets = several.targets(numbers.flip(0))
    assert targets.tolist() == [[0, 1], [0, 0], [1, 1]]
    logits = torch.tensor([[-1.0, 2.0], [0.5, -3.0], [0.0, 1.0]])
    sigmoid = logits.sigmoid()
    expected = -(targets * sigmoid.log() + (1 - targets) * (1 - sigmoid).log()).mean()
    assert several.loss(logits, targets, smoothing=0.1).item() == pytest.approx(expected.item())


def test_blended_images_have_blended_labels(tmp_path: Path) -> None:
    several = objective(table(tmp_path / "data", "path,labels\na.png,cat|dog\nb.png,\n"))
    targets = several.targets(torch.tensor([s.label for s in several.samples("train")]))
    blend = mixing(Recipe(mixup=1.0), classes=2)
    assert blend is not None
    images, blended = blend(torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)]), targets)
    assert torch.allclose(images[:, 0, 0, 0], 1 - blended[:, 0])  # the first shows both, the second none
    assert several.loss(torch.zeros(2, 2), blended).item() == pytest.approx(np.log(2))


def test_balance_is_for_one_class_each(pairs: Path) -> None:
    with pytest.raises(InputError, match="balance in the recipe is for images with one class each"):
        pv.train(pairs, "mobilenet_v1", width=0.25, resolution=16, recipe=Recipe(balance=True), show=False)


def test_all_that_is_probable() -> None:
    result = Result(np.array([0.2, 0.9, 0.5], np.float32), ("a", "b", "c"), task="multilabel")
    assert [name for _, name, _ in result.labels()] == ["b", "c"]
    assert [name for _, name, _ in result.labels(threshold=0.95)] == []
    assert [entry["name"] for entry in result.to_json(1)["labels"]] == ["b", "c"]


# --- the whole way


@pytest.fixture(scope="module")
def trained(pairs: Path, call_cli, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("multilabel") / "run"
    arguments = ("--model", "mobilenet_v1", "--width", "0.25", "--resolution", "16", "--epochs", "18")
    status, stdout, stderr = call_cli("train", pairs, *arguments, "--out", out, "--json")
    assert status == 0, stderr
    return out, json.loads(stdout)


def test_training(trained: tuple[Path, dict]) -> None:
    out, result = trained
    low, high = result["map_interval"]
    assert low <= result["map"] <= high and "top1" not in result
    assert result["map"] > 0.6  # the classes' frequencies, 0.2 to 0.5, would be chance
    assert (out / "metrics.csv").read_text().startswith("epoch,train_loss,val_loss,val_map,lr")
    net = pv.load(out)
    assert net.task == "multilabel" and net.metrics["map"] == result["map"]


def test_export_eval_and_predict_agree(trained: tuple[Path, dict], pairs: Path, call_cli, tmp_path: Path) -> None:
    out, result = trained
    exported = tmp_path / "model.onnx"
    images = sorted(pairs.glob("*.png"))[:12]
    check = pv.export(pv.load(out), path=exported, images=images)
    assert check["top1_agreement"] == 1.0 and check["max_abs_error"] < 1e-4
    ours, theirs = pv.load(out).predict(images), pv.load(exported).predict(images)
    assert pv.load(exported).task == "multilabel"
    assert max(np.abs(a.probabilities - b.probabilities).max() for a, b in zip(ours, theirs, strict=True)) < 1e-4
    assert max(abs(a.probabilities.sum() - 1) for a in theirs) > 0.05  # each for itself
    status, stdout, stderr = call_cli("eval", exported, pairs, "--json")
    assert status == 0, stderr
    found = json.loads(stdout)
    assert {"images", "map", "f1", "exact", "split"} <= set(found) and "top1" not in found and found["images"] == 360
    status, stdout, _ = call_cli("predict", exported, images[0], "--json")
    (answer,) = json.loads(stdout)
    assert [entry["name"] for entry in answer["labels"]] == [name for _, name, _ in theirs[0].labels()]
    status, stdout, _ = call_cli("eval", out, pairs)
    assert status == 0 and "mAP" in stdout and "top-1" not in stdout


def test_fit(pairs: Path, call_cli, tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, stdout, stderr = call_cli(
        "fit", pairs, "--budget", "200ms", "--max-macs", "2M", "--time", "4s", "--out", out
    )
    assert status in (0, 1), stderr  # 1: after four seconds it is of no use yet, and that is said
    assert "mAP" in stdout and "accuracy" not in stdout.splitlines()[2]
    report = json.loads((out / "report.json").read_text())
    verdict = report["verdict"]
    assert verdict["task"] == "multilabel" and 0 <= verdict["map"] <= 1 and "top1" not in verdict
    assert "confusion" not in report and report["export_check"]["map"] == verdict["map"]
    page = (out / "report.html").read_text()
    assert "<h3>mAP</h3>" in page and "mean average precision" in page and "validation mAP" in page
    assert pv.load(out / "model.onnx").task == "multilabel"
