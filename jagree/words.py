"""Numbers as people read them."""

import math

SPACE = "\N{NO-BREAK SPACE}"  # between a number and its unit
TIMES = "\N{MULTIPLICATION SIGN}"
NO_VALUE = "no value"


def percent(fraction: float) -> str:
    """A fraction in percent with one decimal.

    >>> percent(0.2468), percent(float("nan"))
    ('24.7\xa0%', 'no value')
    """
    return NO_VALUE if math.isnan(fraction) else f"{100 * fraction:.1f}{SPACE}%"


def points(difference: float) -> str:
    """A difference of two fractions, without its sign.

    >>> points(-0.25)
    '25.0 percentage points'
    """
    return f"{100 * abs(difference):.1f} percentage points"


def counted(number: int, noun: str) -> str:
    """A number and what it counts.

    >>> counted(1, "network"), counted(5000, "example")
    ('1 network', '5,000 examples')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def enumeration(parts: list[str]) -> str:
    """Parts joined as in a sentence.

    >>> enumeration(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def duration(seconds: float) -> str:
    """Seconds in the units that suit; a whole number of them without decimals.

    >>> duration(45.25), duration(45), duration(93.1), duration(7325)
    ('45.2 s', '45 s', '1 min 33 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds} s" if isinstance(seconds, int) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(number: float) -> str:
    """Bytes, in millions or thousands of millions.

    >>> size(18_432_000), size(25_300_000_000)
    ('18.4 MB', '25.3 GB')
    """
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"


def moment(iso: str) -> str:
    """A point in time as ISO 8601 writes it, without the letters.

    >>> moment("2026-03-01T10:12:00Z")
    '2026-03-01 10:12:00 UTC'
    """
    return iso.replace("T", " ").replace("Z", " UTC")


def adjective(split: str) -> str:
    """What the examples of a split are called: "training" for "train", else the split's name."""
    return "training" if split == "train" else split
