"""The run in time order: train an epoch, judge every example, record, save (beside the next).

An epoch is recorded before it is saved, and what the next start finds decides where it goes on.
With S steps in an epoch (here 100, and ``training.checkpoint_every`` 1):

=============================================  ===========  ==============  =======================
the process ended                              record ends  newest          the next start
                                               with epoch   checkpoint
=============================================  ===========  ==============  =======================
before anything was saved                      0 or none    none            begins anew
while epoch 1 was recorded                     0 or none    none            begins anew
between the record of epoch 1 and its          1            none            cuts epoch 1 from the
checkpoint, or while that was written                                       record, begins anew
after the checkpoint of epoch 1                1            100             begins epoch 2
in epoch 2, after a checkpoint within it       1            140             goes on at step 40 of it
while epoch 2 was judged, by SIGTERM           1            200             judges and records
                                                                            epoch 2
the same, later: epoch 2 is recorded           2            200             begins epoch 3
between the record of epoch 2 and its          2            140             cuts epoch 2, goes on at
checkpoint                                                                  step 40 of it
the newest checkpoint, 200, is damaged         2            200, 140        sets 200 aside, and then
                                                                            as in the row above
while 200 was set aside, or the record cut     1 or 2       200, 140 or     the same
                                                            140
=============================================  ===========  ==============  =======================

Whatever is trained again is trained from the same state with the same batches: on a CPU it gives
the same bits.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from ml_collections import ConfigDict

from jagree import preemption
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.preemption import Preempted
from jagree.record import RecordWriter
from jagree.training.checkpoint import Checkpoints, Restored
from jagree.training.epochs import Midway
from jagree.training.listener import Listener
from jagree.training.memory import tells_shortage
from jagree.training.together import Follower, Standing, share_standing
from jagree.training.trainer import Trainer
from jagree.training.writer import EpochWriter


@tells_shortage
def train(
    config: ConfigDict,
    splits: Mapping[str, Split],
    recorder: RecordWriter | None,
    checkpoints: Checkpoints | None,
    listener: Listener,
    deferred: preemption.Deferred = preemption.never,
) -> None:
    """Train all members to the last epoch, from the newest checkpoint if there is one.

    Parameters
    ----------
    config : ConfigDict
        A checked config.
    splits : mapping of str to Split
        "train" and "test".
    recorder, checkpoints
        Of this run; what they hold decides where training starts. In a run of several processes
        only the first has them, and the others have none.
    listener : Listener
    deferred : callable
        A context around the epochs; what it gives is asked, after each dispatch is begun, whether
        the run is to stop.

    Raises
    ------
    UsageError
        If record and checkpoints do not belong together, every checkpoint is damaged, or memory
        does not suffice.
    Preempted
        If it was stopped, and all is saved.
    """
    each = -(-len(splits["train"]) // config.batch_size)
    if recorder and checkpoints:  # now, not after minutes
        resume_point(recorder, checkpoints.latest, checkpoints.every, each)
    with contextlib.closing(Trainer(config, splits, listener)) as trainer:
        like, found = trainer.ensemble.stacked, None
        if recorder and checkpoints:
            found = _find(config, recorder, checkpoints, like, each, listener)
        standing, found = share_standing(found, like), None
        plan = trainer.plan(standing.done + 1)
        listener.planned(plan._replace(first_step=standing.step))
        listener.compiled(trainer.begin(fresh=standing.state is None))
        start = None
        if standing.state is not None:
            trainer.ensemble.stacked = standing.state
            start = Midway(standing.step, standing.gathered) if standing.step else None
            standing = standing._replace(state=None)  # else its arrays would stay in memory
        writer: EpochWriter | Follower = Follower(config.training.checkpoint_every)
        if recorder and checkpoints:
            writer = EpochWriter(recorder, checkpoints, listener)
        with deferred() as stopping, writer:
            run = _Run(config, trainer, writer, each, stopping, untrained=standing.untrained)
            run.epochs(standing.done + 1, start)


def _find(
    config: ConfigDict,
    recorder: RecordWriter,
    checkpoints: Checkpoints,
    like: Any,
    each: int,
    listener: Listener,
) -> Standing:
    """Where the run goes on; what lies on disk behind that point is cut."""
    untrained = config.recording.untrained
    if not checkpoints.latest:
        recorder.rewind(sum(epoch == 0 for epoch in recorder.epochs))
        return Standing(0, 0, untrained and not recorder.epochs, None, {})
    restored = checkpoints.restore(like)
    point = _go_back(recorder, checkpoints, restored, each, listener, untrained=untrained)
    return Standing(point.done, point.step, False, restored.state, restored.gathered)


class Point(NamedTuple):
    """Where a run stands."""

    done: int  # epochs recorded and saved
    step: int  # training steps of the next that have been taken; all of them: it is to be judged

    def words(self, each: int) -> str:
        """In words, after "goes on" or "stopped"."""
        if self.step:
            return f"in epoch {self.done + 1} at step {self.step} of {each}"
        return f"after epoch {self.done}" if self.done else "before the first step"


class _Run:
    """The epochs of a run, until its end or until it is stopped.

    Parameters
    ----------
    config : ConfigDict
    trainer : Trainer
        That has begun.
    writer : EpochWriter, or Follower
    each : int
        Training steps of an epoch.
    stopping : callable
        Whether the run is to stop.
    untrained : bool
        Whether the untrained networks are to be recorded.
    """

    def __init__(
        self,
        config: ConfigDict,
        trainer: Trainer,
        writer: EpochWriter | Follower,
        each: int,
        stopping: Callable[[], bool],
        *,
        untrained: bool,
    ) -> None:
        self._config, self._trainer, self._writer = config, trainer, writer
        self._untrained = untrained
        self._each, self._stopping, self._stopped = each, stopping, False

    def epochs(self, first: int, start: Midway | None) -> None:
        """Train, judge, record and save them, from one on or from within it.

        Raises
        ------
        Preempted
            If the run is to stop before its last epoch is judged, and all is saved.
        """
        config, epochs = self._config, self._trainer.epochs()
        for epoch in range(0 if self._untrained else first, config.epochs + 1):
            fields = epochs.run(
                epoch,
                self._writer.stepped,
                start=start if epoch == first else None,
                every=config.training.checkpoint_steps,
                keep=functools.partial(self._keep, epoch),
                stopping=self._asked,
            )
            if isinstance(fields, Midway):
                if epoch:
                    self._keep(epoch, fields)
                self._stop(Point(max(epoch - 1, 0), fields.step))
            last, steps = epoch == config.epochs, epoch * self._each
            ends = last or self._stopped
            self._writer.write(epoch, fields, self._state, steps=steps, last=ends)
            if self._stopped and not last:
                self._stop(Point(epoch, 0))

    def _keep(self, epoch: int, midway: Midway) -> None:
        steps = (epoch - 1) * self._each + midway.step
        self._writer.keep(epoch, midway.gathered, self._state, steps=steps)

    def _stop(self, point: Point) -> NoReturn:
        self._writer.wait()  # here, where its errors are raised
        raise Preempted(f" {point.words(self._each)}; the same command goes on from there")

    def _asked(self) -> bool:
        self._stopped = self._stopping()  # and if it says so, it is not asked again
        return self._stopped

    def _state(self) -> object:
        return self._trainer.ensemble.stacked


def resume_point(recorder: RecordWriter, saved: int, every: int, each: int) -> Point:
    """Where the run goes on from a checkpoint; nothing is changed on disk.

    An epoch is recorded before its checkpoint is written, so a killed run may have recorded up to
    `every` epochs more than it saved, and twice as many if the newest of its two checkpoints was
    damaged. They are trained again, so that the record is that of one run of the weights, not of
    two.

    Parameters
    ----------
    recorder : RecordWriter
    saved : int
        Number of the checkpoint; 0: there is none.
    every : int
        Epochs from one checkpoint to the next.
    each : int
        Training steps of an epoch.

    Raises
    ------
    UsageError
        If the record cannot be of the checkpoint's run.
    """
    done, step = divmod(saved, each)
    recorded = recorder.epochs[-1] if recorder.epochs else 0
    if not step and done == recorded + 1:  # stopped while the epoch was judged
        done, step = recorded, each
    at_most = 2 * every if saved else every
    if done > recorded or recorded - done > at_most:
        newest = f"of epoch {done}" + (f" and {step} steps" if step else "")
        raise UsageError(
            f"the record '{recorder.path}' ends with epoch {recorded}, but the newest checkpoint "
            f"is {newest}: they are not of one run, or checkpoints were lost; put the "
            "right checkpoints back, or use another --workdir"
        )
    return Point(done, step)


def _go_back(
    recorder: RecordWriter,
    checkpoints: Checkpoints,
    restored: Restored,
    each: int,
    listener: Listener,
    *,
    untrained: bool,
) -> Point:
    """Have the record and the folder of checkpoints end where a checkpoint was made.

    Raises
    ------
    UsageError
        If they cannot be of one run; nothing is changed then.
    """
    point = resume_point(recorder, restored.steps, checkpoints.every, each)
    lost = point.step and not restored.gathered  # it is of a whole epoch
    if lost or (untrained and not recorder.epochs):
        epoch = point.done + 1 if lost else 0
        raise UsageError(
            f"the record '{recorder.path}' lacks epoch {epoch}, which was recorded before "
            f"checkpoint {restored.steps} was saved: they are not of one run; put the right record "
            "or checkpoints back, or use another --workdir"
        )
    for steps, why in restored.damaged:
        moved = checkpoints.set_aside(steps)
        listener.damaged(
            f"checkpoint {steps} is damaged: {why}. It is now called '{moved}'; the run goes on "
            f"from checkpoint {restored.steps}, {point.words(each)}"
        )
    recorder.rewind(sum(epoch <= point.done for epoch in recorder.epochs))
    return point
