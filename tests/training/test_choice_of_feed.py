from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.data.frames import Frames
from jagree.errors import UsageError
from jagree.training import feeds
from jagree.training.feed import shuffle
from jagree.training.feeds import bytes_on_device, choose_feed, common_shape, make_feeds
from jagree.training.memory import Capacity
from tests.training.feeds import frames_of, whole


class Sized(Frames):
    """Frames that only know their size."""

    def __init__(self, pixels: int, crop: int) -> None:
        self._said, self.crop = pixels, crop

    @property
    def pixels(self) -> int:
        return self._said


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    there_is = Capacity(80_000_000_000, 80_000_000_000, "the device's memory", is_main=False)
    monkeypatch.setattr(feeds, "capacity", lambda: there_is)


def test_a_pixel_takes_three_bytes_whole_and_four_to_be_cropped() -> None:
    assert bytes_on_device(Sized(1000, 0)) == 3000
    assert bytes_on_device(Sized(1000, 8)) == 4000


def test_what_fits_a_quarter_of_the_memory_is_resident(memory: None) -> None:
    both = {"train": Sized(4_000_000_000, 0), "test": Sized(2_600_000_000, 0)}
    assert choose_feed("auto", both) == (
        "resident",
        "19.8 GB of images fit in a quarter of the 80.0 GB of the device's memory",
    )
    both["test"] = Sized(2_700_000_000, 0)
    assert choose_feed("auto", both) == (
        "stream",
        "20.1 GB of images are more than a quarter of the 80.0 GB of the device's memory",
    )
    assert choose_feed("auto", {"train": Sized(1000, 0)})[1].startswith("0.0 MB of images fit")


def test_what_is_asked_for_is_taken_unless_it_cannot_be(memory: None) -> None:
    small = {"train": Sized(1000, 8)}
    assert choose_feed("stream", small) == ("stream", "as configured")
    large = {"train": Sized(2**31, 8)}
    with pytest.raises(UsageError, match=r"'train' has 2,147,483,648 pixels.*training.feed=stream"):
        choose_feed("resident", large)
    assert choose_feed("auto", large)[0] == "stream"
    assert choose_feed("resident", {"train": Sized(2**31 - 1, 8)})[0] == "resident"


def test_splits_are_of_one_shape() -> None:
    images = {"train": whole(5), "test": whole(4)}
    frames = {name: frames_of(split) for name, split in images.items()}
    assert common_shape(frames) == (2, 2, 3)
    frames["test"] = Frames([np.zeros((12, 3), np.uint8)], [np.array([[3, 4]])], 0)
    with pytest.raises(UsageError, match=r"2x2 in 'train', 3x4 in 'test'.*data.resize"):
        common_shape(frames)


def test_the_size_of_an_evaluation_is_the_same_with_both_feeds(small: ConfigDict) -> None:
    split = whole(40)
    image = np.zeros((40, 1500, 1500, 3), np.uint8)
    splits: dict[str, Any] = {"train": type(split)(**{**vars(split), "image": image})}
    frames = {"train": frames_of(splits["train"])}
    small.training.eval_batch_size = 0
    sizes = {
        kind: {b.position.shape[1] for b in map(plan.eval_dispatch, range(len(plan.eval_slices)))}
        for kind in ("resident", "stream")
        for plan in [make_feeds(small, splits, frames, kind, "gpu")["train"].plan]
    }
    assert sizes["resident"] == sizes["stream"] == {64_000_000 // (1500 * 1500 * 3)}


@pytest.mark.parametrize("members", [1, 25])
def test_a_stream_sends_no_more_at_once_than_a_step_needs(small: ConfigDict, members: int) -> None:
    split = whole(4000)
    image = np.zeros((4000, 32, 32, 3), np.uint8)
    large = type(split)(**{**vars(split), "image": image})
    frames = {"train": frames_of(large)}
    small.members, small.batch_size, small.training.eval_batch_size = members, 16, 0
    plan = make_feeds(small, {"train": large}, frames, "stream", "gpu")["train"].plan
    most = feeds._BYTES_PER_DISPATCH / image[0].size
    step = members * 16
    assert all(k.position.size <= max(most, step) for k in [plan.train_dispatch(1, 0)])
    sizes = [plan.eval_dispatch(i).position.size for i in range(len(plan.eval_slices))]
    assert max(sizes) <= max(most, 1000)
    resident = make_feeds(small, {"train": large}, frames, "resident", "gpu")["train"].plan
    assert resident.train_dispatch(1, 0).position.shape[1] > 1


def test_evaluation_and_training_are_bounded_apart(small: ConfigDict) -> None:
    image = np.zeros((3000, 224, 224, 3), np.uint8)
    split = whole(3000)
    large = type(split)(**{**vars(split), "image": image})
    small.members, small.batch_size, small.training.eval_batch_size = 1, 16, 0
    frames = dict.fromkeys(("train", "test"), frames_of(large))
    made = make_feeds(small, dict.fromkeys(frames, large), frames, "stream", "gpu")
    plan = made["train"].plan
    for batch in (plan.train_dispatch(1, 0), plan.eval_dispatch(0)):
        assert batch.position.size * image[0].size <= feeds._BYTES_PER_DISPATCH
    # The steps of training, of which fewer fit where there are more members, bound no evaluation.
    assert plan.eval_slices == made["test"].plan.eval_slices
    small.training.eval_batch_size = 25
    small.members = 30
    plan = make_feeds(small, dict.fromkeys(frames, large), frames, "stream", "gpu")["test"].plan
    assert plan.train_dispatch(1, 0).position.shape[1] == 1
    assert plan.eval_dispatch(0).position.shape[0] > 10


def test_the_config_decides_about_random_crops(small: ConfigDict) -> None:
    split = whole(50)
    image = np.zeros((50, 9, 9, 3), np.uint8)
    large = type(split)(**{**vars(split), "image": image})
    frames = {"train": frames_of(large, crop=4)}
    for random_crop in (True, False):
        small.data.random_crop = random_crop
        plan = make_feeds(small, {"train": large}, frames, "resident", "cpu")["train"].plan
        corners = np.unique(plan.train_dispatch(1, 0).inputs.corner)
        assert (len(corners) > 1) == random_crop


def test_the_config_decides_about_seed_labels_and_dispatches(small: ConfigDict) -> None:
    true = whole(50)
    noisy = type(true)(**{**vars(true), "label": (true.label + 1) % 7, "true_label": true.label})
    small.seed, small.data.seed, small.batch_size = 3, 4, 8
    small.training.steps_per_dispatch = 2
    frames = {"train": frames_of(noisy)}
    plan = make_feeds(small, {"train": noisy}, frames, "resident", "gpu")["train"].plan
    batch = plan.train_dispatch(1, 0)
    assert batch.position.shape == (3, 2, 8)
    for member in range(3):
        order = shuffle(50, seed=3, member=member, epoch=1)
        np.testing.assert_array_equal(batch.position[member].ravel(), order[:16])
    np.testing.assert_array_equal(batch.inputs.label, noisy.label[batch.position])
