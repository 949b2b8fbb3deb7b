"""What held-out images prove: better than guessing and than one answer for all, whatever the classes' sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pocketvision.evaluation import Evaluation, wilson
from pocketvision.fitting.accuracy import FEW, figures, judge, shortfalls
from pocketvision.scores import MultilabelEvaluation


def answered(labels: Sequence[int] | NDArray[np.int64], answers: Sequence[int] | NDArray[np.int64], classes: int):
    return Evaluation(np.array(labels), np.eye(classes, dtype=np.float32)[np.array(answers)])


def missing(result: Evaluation | MultilabelEvaluation, classes: int) -> list[str]:
    return shortfalls(judge(result), [f"class {i}" for i in range(classes)])


def test_a_rare_class_that_is_never_answered() -> None:
    """140 common images and 1 rare one, every answer "common": an accuracy of 99.3 % that is worth nothing."""
    result = answered([0] * 140 + [1], [0] * 141, 2)
    found = judge(result)
    assert result.top1 > 0.99 and result.balanced_top1 == 0.5
    assert found.metric == "balanced_top1" and found.value == 0.5 and found.baseline == 0.5 and not found.is_clear
    said = shortfalls(found, ["common", "rare"])
    assert said[0].startswith("it is no better than guessing: balanced accuracy 50.0 %")
    assert said[1] == 'it never answers "rare"'
    assert figures(result, found, ["common", "rare"]) == {
        "judged_by": "balanced_top1",
        "never_answered": ["rare"],
        "baseline_top1": 140 / 141,
        "balanced_top1": 0.5,
        "balanced_top1_interval": list(result.balanced_interval),
    }


def test_a_rare_class_that_is_answered() -> None:
    """Accuracy alone would not clear the largest class's share of 95 %; each class for itself, it does."""
    result = answered([0] * 190 + [1] * 10, [0] * 186 + [1] * 4 + [1] * 9 + [0], 2)
    assert result.interval[0] < 0.95 and missing(result, 2) == []


def test_many_classes_of_few_images() -> None:
    """300 classes, one held-out image each, one of them right: 0.3 %, as guessing does."""
    labels = np.arange(300)
    assert missing(answered(labels, np.zeros(300, np.int64), 300), 300)[0].startswith("it is no better than guessing")
    # Better than guessing beyond chance, and yet of no use.
    (never, wrong) = missing(answered(labels, np.where(labels < 30, labels, 0), 300), 300)
    assert never.startswith("it never answers 270 of its 300 classes") and wrong.startswith("it is wrong more often")
    assert missing(answered(labels, np.where(labels < 290, labels, 0), 300), 300) == []  # a few of many may be missing


@pytest.mark.parametrize(("images", "right", "says"), [
    (80, 40, "it is no better than guessing"), (16, 11, "16 held-out images are too few"), (16, 16, None),
    (800, 440, None), (8, 4, "it is no better than guessing"),
])  # fmt: skip
def test_two_classes_alike(images: int, right: int, says: str | None) -> None:
    labels = np.arange(images) % 2
    said = missing(answered(labels, np.where(np.arange(images) < right, labels, 1 - labels), 2), 2)
    assert said == [] if says is None else said[0].startswith(says)


def test_one_answer_for_all_has_the_share_of_the_largest_class() -> None:
    """60 against 40 images: even enough for plain accuracy, which must clear 60 %, not 50 %."""
    labels = np.array([0] * 60 + [1] * 40)
    answers = np.array([0] * 45 + [1] * 15 + [1] * 17 + [0] * 23)
    found = judge(answered(labels, answers, 2))
    assert found.metric == "top1" and found.value == 0.62 and found.interval[0] > 0.5
    assert found.baseline == 0.6 and not found.is_clear


def test_images_of_one_class_prove_nothing() -> None:
    assert not judge(answered([0] * 50, [0] * 50, 3)).is_clear


def test_balanced_accuracy_is_the_mean_recall_with_an_interval() -> None:
    from sklearn.metrics import balanced_accuracy_score

    random = np.random.default_rng(0)
    labels = random.choice(4, 300, p=[0.7, 0.2, 0.07, 0.03])
    answers = np.where(random.uniform(size=300) < 0.8, labels, random.integers(0, 4, 300))
    result = answered(labels, answers, 4)
    assert result.balanced_top1 == pytest.approx(balanced_accuracy_score(labels, answers))
    low, high = result.balanced_interval
    assert 0 < low < result.balanced_top1 < high <= 1
    each = answered([0] * 200 + [1] * 200, [0] * 180 + [1] * 20 + [1] * 180 + [0] * 20, 2).balanced_interval
    half = (wilson(0.9, 200)[1] - wilson(0.9, 200)[0]) / 2
    assert each[1] - each[0] == pytest.approx(2 * half / 2**0.5)  # of two independent ones, the mean
    assert answered([0] * 140 + [1], [0] * 140 + [1], 2).balanced_interval[0] < 0.65  # one image is one image


def test_the_interval_of_balanced_accuracy_covers() -> None:
    random, truth, inside = np.random.default_rng(1), np.array([0.95, 0.8, 0.6]), 0
    labels = np.repeat([0, 1, 2], [100, 30, 10])
    for _ in range(300):
        answers = np.where(random.uniform(size=140) < truth[labels], labels, (labels + 1) % 3)
        low, high = answered(labels, answers, 3).balanced_interval
        inside += low <= truth.mean() <= high
    assert inside > 0.92 * 300


def several(images: int, skill: float, classes: int = 5) -> MultilabelEvaluation:
    random = np.random.default_rng(2)
    truth = random.uniform(size=(images, classes)) < np.array([0.5, 0.3, 0.2, 0.1, 0.1])
    scores = 1 / (1 + np.exp(-skill * (truth * 4.0 - 2) - random.normal(size=truth.shape)))
    return MultilabelEvaluation(truth, scores.astype(np.float32))


def test_several_labels_are_judged_against_the_same_answers_dealt_at_random() -> None:
    assert missing(several(300, 1.0), 5) == []
    guess = several(300, 0.0)
    assert missing(guess, 5)[0].startswith("it is no better than guessing: mean average precision")
    mean, most = guess.guessed
    assert guess.truth.mean() <= mean < most  # finite samples favour a guess: the share alone is too easy
    few = several(12, 0.0)
    assert few.guessed[0] > 1.2 * few.truth[:, few.truth.any(axis=0)].mean() and missing(few, 5)
    assert judge(several(12, 0.0)).images < FEW


def test_a_class_that_is_never_said_among_several() -> None:
    found = several(300, 1.0)
    found.probabilities[:, 3] *= 0.4  # the order stays, so does the average precision; but none reaches 50 %
    assert missing(found, 5) == ['it never answers "class 3"']
    assert figures(found, judge(found), list("abcde"))["never_answered"] == ["d"]
