"""Courses of the learning rate and of the momentum over a run, as PyTorch defines them.

On the host and in double precision, as PyTorch computes them; each step's values then enter the
compiled step as arguments.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Course(NamedTuple):
    """What a schedule says of each step of an epoch: two float64 arrays [steps]."""

    learning_rate: np.ndarray
    momentum: np.ndarray  # of adam: beta1


# A schedule: (configured rate, configured momentum, epoch from 0, epochs, steps per epoch, the
# config's section `schedule`) -> the course of that epoch.
Schedule = Callable[[float, float, int, int, int, Any], Course]


def _level(learning_rate: float, momentum: float, steps: int) -> Course:
    """The same values throughout an epoch."""
    return Course(np.full(steps, float(learning_rate)), np.full(steps, float(momentum)))


def constant(
    learning_rate: float, momentum: float, epoch: int, epochs: int, steps: int, options: Any
) -> Course:
    """The configured rate and momentum throughout the run."""
    return _level(learning_rate, momentum, steps)


def cosine(
    learning_rate: float, momentum: float, epoch: int, epochs: int, steps: int, options: Any
) -> Course:
    """Cosine from the configured to the final rate, moved once per epoch.

    As PyTorch's CosineAnnealingLR with T_max = epochs: the final rate itself would be reached after
    the last epoch. Without the restarts of Loshchilov & Hutter 2017 (eq. 5).

    Parameters
    ----------
    options
        ``final_learning_rate``.
    """
    final = options.final_learning_rate
    rate = final + (learning_rate - final) * (1 + math.cos(math.pi * epoch / epochs)) / 2
    return _level(rate, momentum, steps)


def step(
    learning_rate: float, momentum: float, epoch: int, epochs: int, steps: int, options: Any
) -> Course:
    """The configured rate, multiplied by a factor after every so many epochs.

    As PyTorch's StepLR. A run of no more than ``step_epochs`` epochs keeps its rate.

    Parameters
    ----------
    options
        ``step_epochs`` and ``step_factor``.
    """
    rate = learning_rate * options.step_factor ** (epoch // options.step_epochs)
    return _level(rate, momentum, steps)


def one_cycle(
    learning_rate: float, momentum: float, epoch: int, epochs: int, steps: int, options: Any
) -> Course:
    """Up to the configured rate and down again, moved once per step (Smith & Topin 2018).

    As PyTorch's OneCycleLR with its two phases and cosine annealing. The rate goes from
    learning_rate / start_divisor to learning_rate, then to learning_rate / (start_divisor *
    end_divisor), which the last step has. The momentum goes the other way, from high to low to
    high; with adam it is beta1. With T steps in the run, counted from 0, the peak is at
    rise * T - 1, whole or not.

    Short runs, also as in PyTorch: if the peak lies before step 0 (rise * T < 1), the run begins
    on its way down, and a single step has the last step's rate. If it lies at step 0
    (rise * T = 1), where PyTorch divides by zero, step 0 is the peak.

    Parameters
    ----------
    options
        ``rise`` (a share of the run, between 0 and 1), ``start_divisor``, ``end_divisor``,
        ``cycle_momentum`` (if not, the momentum stays as configured), ``momentum_low``,
        ``momentum_high``.
    """
    last = epochs * steps - 1
    peak = options.rise * (last + 1) - 1
    number = np.arange(epoch * steps, (epoch + 1) * steps)
    rising = number[(number <= peak) & (peak > 0)]
    falling = number[len(rising) :]
    risen, fallen = rising / peak, (falling - peak) / (last - peak)

    def there_and_back(start: float, middle: float, end: float) -> np.ndarray:
        return np.concatenate([_eased(start, middle, risen), _eased(middle, end, fallen)])

    start = learning_rate / options.start_divisor
    rates = there_and_back(start, learning_rate, start / options.end_divisor)
    if not options.cycle_momentum:
        return Course(rates, np.full(steps, float(momentum)))
    low, high = options.momentum_low, options.momentum_high
    return Course(rates, there_and_back(high, low, high))


def _eased(start: float, end: float, share: np.ndarray) -> np.ndarray:
    """Half a cosine from `start` (share 0) to `end` (share 1)."""
    # Not NumPy's cosine, whose last bit depends on the processor and, as a cycle ends, is the
    # eleventh digit of the rate.
    wave = np.array([math.cos(math.pi * s) for s in share], np.float64)
    return end + (start - end) / 2 * (1 + wave)
