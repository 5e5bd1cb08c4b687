"""A disk and a listener that write down the order of all that happens to them."""

import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jagree.training.checkpoint import Checkpoints
from jagree.training.writer import EpochWriter

SOON = 60  # seconds until a test that would wait for ever fails


class Disk:
    """A recorder, checkpoints and a listener that write down the order of all that happens.

    `before` maps (what, epoch) to a function that is called first.
    """

    def __init__(self, every: int = 1) -> None:
        self.every, self.log, self.before = every, [], {}
        self.each = 10  # steps of an epoch
        self.state: dict[int, Any] = {}
        self.gathered: dict[int, Any] = {}
        self.seconds: list[float] = []
        self.main = threading.get_ident()

    def _note(self, what: str, epoch: int) -> None:
        self.before.get((what, epoch), lambda: None)()
        self.log.append((what, epoch))

    def append(self, epoch: int, fields: Any) -> None:
        assert fields == {"of": epoch}
        self._note("record", epoch)

    def due(self, epoch: int, *, last: bool) -> bool:
        return Checkpoints.due(self, epoch, last=last)  # type: ignore[arg-type]

    def save(self, steps: int, state: Any, gathered: Any = None) -> None:
        epoch, within = divmod(steps, self.each)
        if not within:
            assert gathered is None
            self._note("save", epoch)
            self.state[epoch] = state
        else:
            self._note("kept", steps)
            self.state[steps] = state
            self.gathered[steps] = gathered

    def stepped(self, epoch: int, steps: int) -> None:
        assert threading.get_ident() == self.main
        self._note("step", epoch)

    def recorded(self, epoch: int, fields: Any, seconds: float) -> None:
        assert threading.get_ident() == self.main
        assert fields == {"of": epoch}
        self.seconds.append(seconds)
        self._note("told", epoch)

    def finishing(self, epoch: int) -> None:
        assert threading.get_ident() == self.main
        self._note("finishing", epoch)

    def writer(self) -> EpochWriter:
        return EpochWriter(self, self, self)  # type: ignore[arg-type]

    def write(self, writer: EpochWriter, epoch: int, last: bool = False) -> None:
        def state() -> dict[str, jax.Array]:
            self._note("copy", epoch)
            return {"w": jnp.full(3, epoch)}

        writer.write(epoch, {"of": epoch}, state, steps=epoch * self.each, last=last)

    def keep(self, writer: EpochWriter, steps: int) -> None:
        def state() -> dict[str, jax.Array]:
            self._note("copy", steps)
            return {"w": jnp.full(3, steps)}

        writer.keep(1 + steps // self.each, {"sum": np.full(2, steps)}, state, steps=steps)


def held(event: threading.Event) -> Any:
    def wait() -> None:
        assert event.wait(SOON)

    return wait
