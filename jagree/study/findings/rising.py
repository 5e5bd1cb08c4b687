"""When a curve rises: the first epoch at a level, and which of two curves gets there later."""

from __future__ import annotations

import numpy as np

from jagree.study.findings.evidence import CannotTellError
from jagree.study.findings.verdicts import Judgement

RISEN = 0.2  # accuracy or agreement that has begun to rise
Curve = tuple[np.ndarray, np.ndarray]  # epochs completed, values


def first_reaching(curve: Curve, level: float) -> int:
    """The first epoch at which a curve is at `level` or above; it must reach it."""
    return int(curve[0][np.flatnonzero(curve[1] >= level)[0]])


def rises_later(what: str, late: Curve, early: Curve, least: float = 0.0) -> Judgement:
    """Whether one curve has risen later than another.

    Risen: at `RISEN`, or `least` if that is more, or the most that both reach if that is less.

    Raises
    ------
    CannotTellError
        If one of them does not reach `least` or stays at 0, or both rise in their first recorded
        epoch.
    """
    if any(np.isnan(curve[1]).all() for curve in (late, early)):
        raise CannotTellError("no member gets any example right")
    wanted = max(RISEN, least)
    level = min(wanted, float(np.nanmax(late[1])), float(np.nanmax(early[1])))
    chosen = f"{level:.3f}" + ("" if level == wanted else ", the most that both reach")
    if level < least or level == 0:
        raise CannotTellError(f"one has learned nothing yet: {what} reaches {chosen}")
    epochs = first_reaching(late, level), first_reaching(early, level)
    numbers = f"{what} reaches {chosen}, in epoch {epochs[0]} against {epochs[1]}"
    if epochs == (late[0][0], early[0][0]):
        raise CannotTellError("both do so in the first recorded epoch", numbers)
    return epochs[0] > epochs[1], numbers
