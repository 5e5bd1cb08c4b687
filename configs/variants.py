"""What an experiment takes after the colon: ``--config=configs/cifar10_densenet.py:small``."""

from collections.abc import Collection

from ml_collections import ConfigDict

from jagree.errors import UsageError

SMALL = "small"


def split(
    variant: str, allowed: Collection[float] = (), meaning: str = ""
) -> tuple[float | None, bool]:
    """What stands after the colon: a number, ``small``, or both with a comma between.

    Parameters
    ----------
    variant : str
        "" for nothing.
    allowed : collection of float
        The numbers that the experiment takes; empty: none.
    meaning : str
        What the number is, and which ones are allowed, for the error message.

    Returns
    -------
    number : float or None
        The one of `allowed`; None if none was given.
    small : bool

    Raises
    ------
    UsageError
        At anything else, and at what is given twice.
    """
    words = [word.strip() for word in variant.split(",")] if variant else []
    numbers = [_number(word) for word in words if word != SMALL]
    if any(number is None or number not in allowed for number in numbers):
        more = f"{meaning}, or both with a comma between" if meaning else ""
        raise UsageError(
            f"this experiment has no variant '{variant}'; after the colon of --config it takes "
            f"{', or '.join(filter(None, [repr(SMALL), more]))}"
        )
    times = {f"'{SMALL}'": words.count(SMALL), "a number": len(numbers)}
    for what, given in times.items():
        if given > 1:
            raise UsageError(f"{what} is given twice in the variant '{variant}'; once is enough")
    return (numbers[0] if numbers else None), SMALL in words


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def with_size(
    config: ConfigDict, small: bool, *, members: int = 2, heavy: bool = False
) -> ConfigDict:
    """The experiment as it is, or small: the same code on few images, for a CPU.

    Optimizer, schedule, networks and crop stay; a schedule of steps drops in as many parts of the
    run, as far as there are epochs. Numbers of a small run say nothing of the paper.

    Parameters
    ----------
    config : ConfigDict
        The experiment; it is changed. With a crop it is of photographs, without of CIFAR-10.
    small : bool
        Whether it is to become small.
    members : int
        Of the small one; where members have networks of their own, their number stays.
    heavy : bool
        Whether an image costs as much as a photograph, though it is small: then there are as few.
    """
    if not small:
        return config
    few = heavy or config.data.crop > 0
    epochs = 2 if few else 3
    if config.schedule.name == "step":
        part = config.schedule.step_epochs / config.epochs
        config.schedule.step_epochs = max(1, round(part * epochs))
    config.name += f"_{SMALL}"
    config.members = len(config.per_member.network) or members
    config.epochs = epochs
    config.batch_size = 16 if few else config.batch_size
    config.data.train_size, config.data.test_size = (100, 50) if few else (5_000, 1_000)
    config.statistics.edges.examples = 20 if few else 100  # dearer than all other statistics
    return config
