"""What a run tells of itself while it goes on, and to whom."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from jagree.training.memory import Capacity, Need

Fields = dict[str, dict[str, np.ndarray]]  # split -> variable -> [K, N] or [K]


class Plan(NamedTuple):
    """What is about to be done, for the person who waits for it."""

    parameters: Mapping[str, int]  # of one member of each network
    image_shape: tuple[int, int, int]  # height, width, channels of what a network sees
    engine: str
    reason: str
    feed: str
    feed_reason: str
    device: str
    mesh: str  # rows x columns of devices; "": the run takes one
    spare: str  # what devices without work could do, in a clause; "": they all work
    precision: str  # what the device makes of the config's, in a clause; "": what it says
    steps: int  # training steps of an epoch
    first_epoch: int  # the first one to train now; 1 unless resumed
    last_epoch: int
    programs: str  # whether what is compiled is kept, in a clause; "": it is not, as configured
    first_step: int = 0  # steps of the first epoch that were taken before


class Compiled(NamedTuple):
    """What all programs of a run came to."""

    programs: int
    seconds: float
    engine: str  # the plan's, unless it did not fit
    reason: str
    need: Need | None  # of memory; None: the device does not say
    memory: Capacity


class Listener(Protocol):
    """Whoever wants to know how the run goes."""

    def prepared(self, split: str, images: int, of: int) -> None:
        """So many more images of a split have been decoded and resized, of so many."""

    def damaged(self, text: str) -> None:
        """A checkpoint was found damaged: which, why, and where the run goes on; a sentence."""

    def planned(self, plan: Plan) -> None:
        """Called once, before anything is compiled."""

    def compiled(self, compiled: Compiled) -> None:
        """Called once, when all is compiled and has been found to fit into memory."""

    def stepped(self, epoch: int, steps: int) -> None:
        """So many training steps of the epoch have been finished since the last call."""

    def recorded(self, epoch: int, fields: Fields, seconds: float) -> None:
        """The epoch is recorded and saved.

        Called while the next one trains; `seconds` have passed since the one before was.
        """

    def finishing(self, epoch: int) -> None:
        """The run was interrupted, and the epoch is still being written; the run waits for it."""
