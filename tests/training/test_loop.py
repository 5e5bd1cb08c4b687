from types import SimpleNamespace

import pytest

from jagree.errors import UsageError
from jagree.training.loop import resume_point


class FakeRecorder:
    path = "RUN/record.zarr"

    def __init__(self, epochs: list[int]) -> None:
        self.epochs = epochs

    def rewind(self, epochs: int) -> None:
        self.epochs = self.epochs[:epochs]


@pytest.mark.parametrize(
    ("recorded", "saved", "every", "kept"),
    [
        ([], 0, 1, []),
        ([0], 0, 1, [0]),  # the untrained networks, recorded before any checkpoint
        ([0, 1], 0, 1, [0]),
        ([1], 0, 1, []),
        ([1, 2], 2, 1, [1, 2]),
        ([1, 2, 3], 2, 1, [1, 2]),
        ([1, 2, 3, 4], 2, 2, [1, 2]),
        ([0, 1, 2, 3], 2, 1, [0, 1, 2]),
    ],
)
def test_the_record_is_cut_to_the_checkpoint(
    recorded: list[int], saved: int, every: int, kept: list[int]
) -> None:
    recorder = FakeRecorder(recorded)
    checkpoints = SimpleNamespace(latest=saved, every=every)
    assert resume_point(recorder, checkpoints) == saved  # type: ignore[arg-type]
    assert recorder.epochs == kept


@pytest.mark.parametrize(
    ("recorded", "saved", "every"), [([1], 2, 1), ([], 1, 1), ([1, 2], 0, 1), ([1, 2, 3], 0, 2)]
)
def test_a_record_that_the_checkpoint_cannot_account_for_is_not_touched(
    recorded: list[int], saved: int, every: int
) -> None:
    recorder = FakeRecorder(list(recorded))
    checkpoints = SimpleNamespace(latest=saved, every=every)
    with pytest.raises(UsageError, match="put the right checkpoints back, or use another"):
        resume_point(recorder, checkpoints)  # type: ignore[arg-type]
    assert recorder.epochs == recorded
