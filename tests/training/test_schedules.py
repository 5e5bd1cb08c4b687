"""Each schedule's rates and momenta are PyTorch's, step for step, over whole runs."""

from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import registry
from jagree.configs import default
from jagree.training.schedules import Course, constant, cosine, one_cycle, step

MOMENTUM = 0.6  # configured, and none of one_cycle's own


def options_of(**changed: Any) -> ConfigDict:
    options = default.get_config().schedule
    options.update(changed)
    return options


def whole(schedule: Any, rate: float, epochs: int, steps: int, options: ConfigDict) -> Course:
    """The course of a whole run, epoch after epoch as the loop asks for it: arrays [steps]."""
    courses = [schedule(rate, MOMENTUM, epoch, epochs, steps, options) for epoch in range(epochs)]
    for course in courses:
        for values in course:
            assert values.shape == (steps,)
            assert values.dtype == np.float64
    return Course(*(np.concatenate(values) for values in zip(*courses, strict=True)))


@pytest.mark.parametrize("name", registry.names("schedule"))
def test_every_schedule_runs_with_the_default_options(name: str) -> None:
    rate, momentum = whole(registry.load("schedule", name), 0.1, 4, 5, options_of())
    assert np.all((rate > 0) & (rate <= 0.1))
    assert np.all((momentum >= 0.6) & (momentum <= 0.95))


def test_the_constant_schedule_is_constant() -> None:
    rate, momentum = whole(constant, 0.3, 10, 3, options_of())
    np.testing.assert_array_equal(rate, [0.3] * 30)
    np.testing.assert_array_equal(momentum, [MOMENTUM] * 30)


def test_the_cosine_begins_at_the_initial_rate_and_nears_the_final_one() -> None:
    rate, momentum = whole(cosine, 0.5, 4, 2, options_of(final_learning_rate=0.01))
    quarter = (1 + np.sqrt(0.5)) / 2
    expected = [0.5, 0.01 + 0.49 * quarter, (0.5 + 0.01) / 2, 0.5 - 0.49 * quarter]
    np.testing.assert_allclose(rate, np.repeat(expected, 2), rtol=1e-14)
    np.testing.assert_array_equal(momentum, [MOMENTUM] * 8)


def test_the_step_schedule_multiplies_the_rate_after_every_so_many_epochs() -> None:
    rate, momentum = whole(step, 0.8, 7, 2, options_of(step_epochs=3, step_factor=0.5))
    expected = [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]
    np.testing.assert_allclose(rate, np.repeat(expected, 2), rtol=1e-14)
    np.testing.assert_array_equal(momentum, [MOMENTUM] * 14)


def test_one_cycle_goes_up_and_down_and_the_momentum_down_and_up() -> None:
    """Ten steps: the peak is at step 3, step 6 is half the way down."""
    options = options_of(rise=0.4, start_divisor=8.0, end_divisor=4.0)
    rate, momentum = whole(one_cycle, 0.8, 2, 5, options)
    # A cosine has gone a quarter of its height after a third of its way.
    np.testing.assert_allclose(rate[:4], [0.1, 0.275, 0.625, 0.8], rtol=1e-14)
    np.testing.assert_allclose(rate[[6, 9]], [(0.8 + 0.025) / 2, 0.025], rtol=1e-14)
    np.testing.assert_allclose(momentum[:4], [0.95, 0.925, 0.875, 0.85], rtol=1e-14)
    np.testing.assert_allclose(momentum[[6, 9]], [0.9, 0.95], rtol=1e-14)
    assert np.all(np.diff(rate)[3:] < 0)
    assert np.all(np.diff(momentum)[3:] > 0)


def test_the_momentum_stays_where_it_is_not_to_be_cycled() -> None:
    cycled = whole(one_cycle, 0.8, 2, 5, options_of())
    kept = whole(one_cycle, 0.8, 2, 5, options_of(cycle_momentum=False))
    np.testing.assert_array_equal(kept.learning_rate, cycled.learning_rate)
    np.testing.assert_array_equal(kept.momentum, [MOMENTUM] * 10)


def test_a_cycle_that_rises_for_one_step_begins_at_its_peak() -> None:
    """rise * steps = 1: PyTorch divides by zero."""
    options = options_of(rise=0.25, start_divisor=8.0, end_divisor=4.0)
    rate, momentum = whole(one_cycle, 0.8, 2, 2, options)
    np.testing.assert_allclose(rate, [0.8, 0.60625, 0.21875, 0.025], rtol=1e-14)
    np.testing.assert_allclose(momentum, [0.85, 0.875, 0.925, 0.95], rtol=1e-14)


def test_a_cycle_of_one_step_has_the_last_steps_values() -> None:
    rate, momentum = whole(one_cycle, 0.8, 1, 1, options_of(start_divisor=8.0, end_divisor=4.0))
    np.testing.assert_allclose(rate, [0.025], rtol=1e-14)
    np.testing.assert_allclose(momentum, [0.95], rtol=1e-14)


# Against PyTorch itself ---------------------------------------------------------------------------


def theirs(make: Any, rate: float, epochs: int, steps: int, *, adam: bool = False) -> Course:
    """What PyTorch's scheduler sets for each step of a run; `make` gives it for an optimizer."""
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.zeros(1))
    if adam:
        optimizer = torch.optim.Adam([parameter], lr=rate, betas=(MOMENTUM, 0.999))
    else:
        optimizer = torch.optim.SGD([parameter], lr=rate, momentum=MOMENTUM)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    per_step = isinstance(scheduler, torch.optim.lr_scheduler.OneCycleLR)
    (group,) = optimizer.param_groups
    rates, momenta = [], []
    for _ in range(epochs):
        for _ in range(steps):
            rates.append(group["lr"])
            momenta.append(group["betas"][0] if adam else group["momentum"])
            optimizer.step()
            if per_step:
                scheduler.step()
        if not per_step:
            scheduler.step()
    return Course(np.array(rates), np.array(momenta))


def assert_same(ours: Course, expected: Course) -> None:
    np.testing.assert_allclose(ours.learning_rate, expected.learning_rate, rtol=1e-12, atol=0)
    np.testing.assert_allclose(ours.momentum, expected.momentum, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("rate", "final", "epochs", "steps"),
    [
        (0.1, 5e-4, 60, 391),  # the paper's CIFAR-10: 50,000 images in batches of 128
        (0.001, 5e-4, 60, 391),  # with random labels
        (0.1, 5e-4, 1, 1),
        (0.02, 0.0, 7, 3),
        (0.02, 0.05, 2, 1),  # upwards
    ],
)
def test_the_cosine_is_pytorchs(rate: float, final: float, epochs: int, steps: int) -> None:
    expected = theirs(
        lambda all_, o: all_.CosineAnnealingLR(o, T_max=epochs, eta_min=final), rate, epochs, steps
    )
    ours = whole(cosine, rate, epochs, steps, options_of(final_learning_rate=final))
    assert_same(ours, expected)


@pytest.mark.parametrize(
    ("rate", "every", "factor", "epochs", "steps"),
    [
        (0.1, 50, 0.2, 150, 130),  # the paper's VOC: 16,551 images in batches of 128
        (0.1, 30, 0.1, 100, 10),  # ImageNet (its 10,010 steps an epoch are all the same)
        (0.01, 30, 0.3, 90, 391),  # the authors' script for random labels
        (0.1, 1, 0.9, 5, 2),
        (0.1, 5, 0.1, 5, 1),
        (0.1, 4, 2.0, 9, 3),
    ],
)
def test_the_step_schedule_is_pytorchs(
    rate: float, every: int, factor: float, epochs: int, steps: int
) -> None:
    expected = theirs(
        lambda all_, o: all_.StepLR(o, step_size=every, gamma=factor), rate, epochs, steps
    )
    ours = whole(step, rate, epochs, steps, options_of(step_epochs=every, step_factor=factor))
    assert_same(ours, expected)


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize(
    ("rate", "epochs", "steps"),
    [
        (1e-4, 60, 56),  # the paper's KTH-TIPS2b: 3,564 images in batches of 64
        (1e-4, 60, 20),
        (0.1, 60, 391),
        (0.1, 2, 5),  # the peak is exactly at step 2
        (0.1, 1, 1),
        (0.1, 3, 1),  # the peak is before step 0
        (0.1, 1, 4),  # the peak is between steps 0 and 1
    ],
)
def test_one_cycle_with_its_defaults_is_pytorchs(
    rate: float, epochs: int, steps: int, adam: bool
) -> None:
    expected = theirs(
        lambda all_, o: all_.OneCycleLR(o, max_lr=rate, epochs=epochs, steps_per_epoch=steps),
        rate,
        epochs,
        steps,
        adam=adam,
    )
    assert_same(whole(one_cycle, rate, epochs, steps, options_of()), expected)


@pytest.mark.parametrize("cycle_momentum", [False, True])
@pytest.mark.parametrize("rise", [0.01, 0.5, 0.77, 0.999])
def test_one_cycle_with_other_options_is_pytorchs(rise: float, cycle_momentum: bool) -> None:
    epochs, steps = 6, 9
    expected = theirs(
        lambda all_, o: all_.OneCycleLR(
            o,
            max_lr=0.3,
            epochs=epochs,
            steps_per_epoch=steps,
            pct_start=rise,
            cycle_momentum=cycle_momentum,
            base_momentum=0.2,
            max_momentum=0.7,
            div_factor=3.0,
            final_div_factor=50.0,
        ),
        0.3,
        epochs,
        steps,
    )
    options = options_of(
        rise=rise,
        cycle_momentum=cycle_momentum,
        momentum_low=0.2,
        momentum_high=0.7,
        start_divisor=3.0,
        end_divisor=50.0,
    )
    assert_same(whole(one_cycle, 0.3, epochs, steps, options), expected)


def test_pytorch_has_no_cycle_that_rises_for_one_step() -> None:
    """Why ours is our own there; should PyTorch define it one day, ours is to follow."""
    with pytest.raises(ZeroDivisionError):
        theirs(
            lambda all_, o: all_.OneCycleLR(o, max_lr=0.1, total_steps=4, pct_start=0.25), 0.1, 1, 4
        )
