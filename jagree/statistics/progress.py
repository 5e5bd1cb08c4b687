"""How far a measurement is, for whoever watches: a bar, or lines in a log."""

import sys
import time

from tqdm import tqdm

_EVERY = 60.0  # seconds between lines where no bar can be drawn


class Progress:
    """A bar with the time left, in seconds of work rather than images, which differ in cost.

    Parameters
    ----------
    what : str
        Stands before the bar.
    total : float
        Work to be done.
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, what: str, total: float, *, quiet: bool) -> None:
        self._what, self._total, self._done = what, total, 0.0
        self._begun = self._said = time.monotonic()
        self._lines = not quiet and not sys.stderr.isatty()
        self._bar = tqdm(
            total=100,
            desc=f"statistics of {what}",
            bar_format="{desc}: {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left",
            leave=False,
            disable=quiet or self._lines or not total,
            smoothing=0.05,
        )

    def advance(self, work: float) -> None:
        """Some work is done."""
        self._done += work
        self._bar.update(100 * work / self._total)
        now = time.monotonic()
        if self._lines and now - self._said > _EVERY:
            self._said = now
            left = (now - self._begun) * (self._total / self._done - 1)
            share = self._done / self._total
            print(f"statistics of {self._what}: {share:.0%}, {left / 60:.0f} min left", flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
