"""How a run spends its time, and what a recipe may say."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2.functional import adjust_brightness, adjust_contrast, adjust_saturation

from pocketvision.data.augment import Augmentation, random_crop
from pocketvision.errors import InputError
from pocketvision.models import create_model
from pocketvision.training.color import jitter_colors
from pocketvision.training.mixing import mixing
from pocketvision.training.modes import set_training
from pocketvision.training.optimizer import make_optimizer, set_rates
from pocketvision.training.plan import Plan, plan, replan, side
from pocketvision.training.recipe import Recipe, parse_settings


def test_as_much_as_the_time_allows_be_it_a_part_of_an_epoch() -> None:
    recipe = Recipe(epochs=60)
    assert plan(recipe, 10, 0.1, 0.01, None).epochs == 60
    planned = plan(recipe, 10, 1.0, 0.1, 100.0)
    assert 9 < planned.epochs < 10 and 90 < planned.seconds(recipe) <= 97
    assert plan(recipe, 1000, 1.0, 10.0, 100.0).total == 86  # of the 97 s that are planned, 10 are for the validation
    assert plan(recipe, 1000, 1.0, 1000.0, 100.0).total == 1  # one at least
    assert plan(recipe, 10, 1.0, 0.1, None, passes=0.25).total == 2
    small = plan(Recipe(epochs=60, progressive=0.5), 10, 1.0, 0.1, 100.0)
    assert small.total > 1.2 * planned.total  # small pictures are quick
    assert small.seconds(Recipe(epochs=60, progressive=0.5)) == pytest.approx(96, abs=2)


def test_validation_never_takes_much_of_the_time() -> None:
    planned = plan(Recipe(epochs=20), 10, 0.1, 1.0, None)
    assert planned.validate_every == 9
    assert [epoch for epoch in range(20) if planned.validates(epoch)] == [8, 17, 19]
    assert planned.seconds(Recipe(epochs=20)) == pytest.approx(23.0)
    part = plan(Recipe(epochs=20), 10, 1.0, 1.0, 27.0)
    assert [epoch for epoch in range(3) if part.validates(epoch)] == [0, 1, 2] and part.total < 30


def test_a_slower_machine_gets_fewer_steps_and_a_faster_one_more() -> None:
    recipe = Recipe(epochs=60)
    planned = plan(recipe, 10, 1.0, 0.1, 100.0)

    def again(step: int, left: float, step_seconds: float) -> Plan:
        return replan(planned, recipe, step, left, 100.0, step_seconds, most=120)

    assert again(20, 80.0, 1.0) is planned  # as planned
    assert again(20, 60.0, 2.0).total == 48
    assert again(20, 90.0, 0.5).total == 120  # no more than the recipe's
    assert again(90, 2.0, 1.0).total == 90  # over
    assert 14 <= again(4, 90.0, 8.0).total <= 15  # within the first epoch


def test_the_schedule_goes_to_its_end_without_a_jump_however_the_plan_changes() -> None:
    recipe = Recipe(epochs=60)
    planned = plan(recipe, 10, 1.0, 0.1, 100.0)
    for step, left, step_seconds in ((20, 60.0, 2.0), (30, 50.0, 0.5), (60, 12.0, 4.0)):
        changed = replan(planned, recipe, step, left, 100.0, step_seconds, most=500)
        assert changed.total != planned.total and changed.horizon == planned.horizon
        assert changed.progress(step) == pytest.approx(planned.progress(step))
        assert changed.progress(changed.total) == 1.0
        planned = changed
    later = plan(recipe, 10, 1.0, 0.1, 50.0, first=9, begun=90.0)
    assert later.first == 9 and 13 < later.epochs < 14
    assert later.progress(later.steps_before(9)) == 0.0 and later.progress(later.total) == 1.0


def test_a_progressive_resolution_grows() -> None:
    recipe = Recipe(progressive=0.5)
    sides = [side(recipe, (128, 128), progress)[0] for progress in (0, 0.2, 0.4, 0.7, 1)]
    assert sides == sorted(sides) and sides[0] == 64 and sides[-1] == 128
    assert side(Recipe(), (128, 96), 0.0) == (128, 96)


def test_rates_of_head_and_rows() -> None:
    net = create_model("mobilenet_v1", 0.25, 32, 4)
    recipe = Recipe(lr=1.0, trunk_lr=0.5, layer_decay=0.5, head_warmup=0.2, warmup=0.0, freeze=2)
    optimizer = make_optimizer(net, recipe)
    peaks = sorted({group["peak_lr"] for group in optimizer.param_groups}, reverse=True)
    assert peaks[:4] == [1.0, 0.5, 0.25, 0.125] and len(peaks) == 1 + len(net.trunk) - 2
    set_rates(optimizer, 0.1, recipe)
    assert {group["lr"] > 0 for group in optimizer.param_groups if not group["head"]} == {False}
    assert all(group["lr"] > 0 for group in optimizer.param_groups if group["head"])
    set_rates(optimizer, 0.6, recipe)
    assert all(
        group["lr"] == pytest.approx(group["peak_lr"] * 0.5) for group in optimizer.param_groups if not group["head"]
    )
    set_training(net, recipe)
    assert not net.trunk[0].training and net.trunk[2].training
    assert not any(p.requires_grad for p in net.trunk[1].parameters())


def test_mixed_batches_have_soft_labels() -> None:
    assert mixing(Recipe(), 3) is None
    torch.manual_seed(0)
    images, labels = torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    for recipe in (Recipe(mixup=0.4), Recipe(cutmix=1.0), Recipe(mixup=0.4, cutmix=1.0)):
        blend = mixing(recipe, 3)
        assert blend is not None
        mixed, soft = blend(images.clone(), labels)
        assert mixed.shape == images.shape and soft.shape == (6, 3)
        assert torch.allclose(soft.sum(1), torch.ones(6)) and (soft.max(1).values < 1).any()


@pytest.mark.parametrize("policy", ["basic", "trivial", "rand"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_views_have_the_size_asked_for(policy: str, channels: int) -> None:
    view = Augmentation(policy=policy, erase=1.0).build((24, 32), channels)(
        torch.randint(0, 256, (channels, 40, 50), dtype=torch.uint8)
    )
    assert view.shape == (channels, 24, 32) and view.dtype == torch.uint8


def test_a_crop_shows_the_share_asked_for_and_is_sometimes_mirrored() -> None:
    torch.manual_seed(0)
    across = torch.arange(200, dtype=torch.uint8).expand(1, 200, 200)  # each pixel says in which column it stands
    views = [random_crop(across, (20, 20), (0.25, 0.25), flip=True)[0, 0].int() for _ in range(200)]
    widths = [int(view.max() - view.min()) / 200 for view in views]
    assert 0.36 < min(widths) and max(widths) < 0.6  # half the side, stretched by at most 4:3 to one side
    mirrored = sum(bool(view[0] > view[-1]) for view in views)
    assert 70 < mirrored < 130
    plain = [random_crop(across, (20, 20), (0.25, 0.25), flip=False)[0, 0].int() for _ in range(20)]
    assert all(view[0] < view[-1] for view in plain)


def test_colours_change_as_torchvision_changes_them() -> None:
    images = torch.randint(100, 150, (5, 3, 8, 9)).float()  # far from black and white: nothing is clipped on the way
    torch.manual_seed(3)
    found = jitter_colors(images, 0.2)
    torch.manual_seed(3)
    factors = 1 + 0.2 * (2 * torch.rand(3, 5) - 1)
    for image, seen, brightness, contrast, saturation in zip(images, found, *factors.tolist(), strict=True):
        expected = adjust_brightness(image / 255, brightness)
        expected = adjust_saturation(adjust_contrast(expected, contrast), saturation)
        assert torch.allclose(seen / 255, expected, atol=1e-3)
    assert (jitter_colors(torch.full((1, 3, 4, 4), 250.0), 0.9) <= 255).all()


def test_fields_of_a_recipe_from_text() -> None:
    found = parse_settings({"mixup": "0.2", "crop": "0.3, 1", "frozen_bn": "yes", "epochs": "7", "policy": "rand"})
    assert found == {"mixup": 0.2, "crop": (0.3, 1.0), "frozen_bn": True, "epochs": 7, "policy": "rand"}
    for wrong, said in (
        ({"mixupp": "1"}, "did you mean 'mixup'"),
        ({"epochs": "many"}, "a whole number"),
        ({"frozen_bn": "maybe"}, "yes or no"),
        ({"crop": "0.3"}, "two numbers"),
    ):
        with pytest.raises(InputError, match=said):
            parse_settings(wrong)


@pytest.mark.parametrize(
    "wrong", [{"policy": "auto"}, {"progressive": 0.0}, {"mixup": -1.0}, {"head_warmup": 1.0}, {"erase": 2.0}]
)
def test_recipes_out_of_range(wrong: dict) -> None:
    with pytest.raises(InputError, match="in the recipe"):
        Recipe(**wrong)
