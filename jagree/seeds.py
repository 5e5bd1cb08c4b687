"""Where all randomness is born: (seed, purpose, member, epoch) names an independent stream.

A stream depends on nothing else: not on how many members there are, in which order they are
trained, on which device, or whether a run was resumed.
"""

import hashlib

import numpy as np

_NONE = 2**32 - 1  # stands for "no member" or "no epoch"; neither can be that large


def _sequence(
    seed: int, purpose: str, member: int | None, epoch: int | None
) -> np.random.SeedSequence:
    tag = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    key = (_NONE if member is None else member, _NONE if epoch is None else epoch)
    # One tuple, not spawn keys, so that the four parts can never run into one another.
    return np.random.SeedSequence(entropy=(seed, tag >> 32, tag & 0xFFFFFFFF, *key))


def generator(
    seed: int, purpose: str, *, member: int | None = None, epoch: int | None = None
) -> np.random.Generator:
    """NumPy generator of the stream named by its arguments.

    Parameters
    ----------
    seed : int
        The run's (or the data's) seed, 0 or more.
    purpose : str
        What the numbers are for, such as ``"shuffle"``; different purposes are independent.
    member, epoch : int, optional
        Left out where the stream is shared by all members or all epochs.
    """
    return np.random.Generator(np.random.Philox(_sequence(seed, purpose, member, epoch)))


def words(
    seed: int, purpose: str, *, member: int | None = None, epoch: int | None = None
) -> np.ndarray:
    """Two uint32 words of the same stream: the data of a JAX threefry key."""
    return _sequence(seed, purpose, member, epoch).generate_state(2, np.uint32)


def of_example(seed: int, purpose: str, example: str) -> int:
    """A seed below 2**64 for what is random about one example, by its id.

    Not by its position: the same image gets the same number in a part of the data as in the whole.
    """
    named = f"{seed}/{purpose}/{example}".encode()
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "big")


def uniform_of_example(seed: int, purpose: str, example: str) -> float:
    """A uniform number in [0, 1) for one example, by its id."""
    return (of_example(seed, purpose, example) >> 11) / 2**53
