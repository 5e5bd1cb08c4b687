"""A synthetic set in which each image statistic is a known cause: one shape per picture.

The class is the shape; clutter, texture frequency, noise, size and contrast are drawn independently
of each other and of the class. A picture is a sum of layers,

    background + object + texture + clutter + noise,

clipped to 0..255, so that a factor changes its own layer and nothing else.

Example n of a split depends on (seed, split, n) alone, so a smaller set is a prefix of a larger
one. Labels are independent and uniform over the classes.

Two machines with the same NumPy make the same pictures. (NumPy may change its random streams
between versions, though it seldom does.) All is computed in float64 and rounded once, at the end:
sines that differ in the last bit move a value by some 1e-13 grey levels, so that any pixel of 5,000
pictures differs, by one grey level, with a chance of about one in 100,000.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jagree import seeds
from jagree.data.sources.shapes import SHAPES, coverage
from jagree.data.split import Column, Split
from jagree.errors import UsageError

SIDE = 32  # pixels; what LeNet5 takes, and CIFAR-10's
BLOCK = 256  # examples drawn and rendered at once; part of what the seed means, so never change it
LARGEST = 10_000_000  # examples; ids have as many digits as the last one needs, whatever the size

# Ranges of the factors, each drawn uniformly. Together they make a set that LeNet5 learns over
# about ten epochs, in which each factor shifts the epoch at which an example is learned.
CLUTTER = (0, 16)  # distractors: from none to one in every cell
TEXTURE_FREQUENCY = (2.0, 12.0)  # cycles per image: below 2 it is shading, 16 cannot be sampled
NOISE = (0.0, 55.0)  # grey levels; the noisiest pictures have a tenth of their values clipped
SIZE = (15.0, 22.0)  # pixels: much below 15, square, star and disc are one blob; 22 just fits
CONTRAST = (25.0, 80.0)  # grey levels, from above the texture's amplitude to below clipping

# What is the same for all examples, or varies without being studied.
SHIFT = 5.0  # pixels, largest shift of the centre along each axis: (SIDE - largest size) / 2
ROTATION = np.pi / 12  # radians, largest turn either way; more would make the turn a main cause
MIDDLE = (112.0, 144.0)  # grey levels per channel, halfway between background and object
TEXTURE_AMPLITUDE = 20.0  # grey levels
CELLS = 4  # per side; each holds at most one distractor, so that their number can be seen
CELL = SIDE // CELLS  # pixels
STROKE_RADIUS = 1.5  # pixels, half the width of a stroke
STROKE_LENGTH = (0.0, 3.0)  # pixels between the centres of its round ends; 0 is a dot
STROKE_AMPLITUDE = 140.0  # grey levels; weaker strokes hardly delay learning
STROKE_COLOUR = (0.5, 1.0)  # fraction of the amplitude in each channel


@dataclass(frozen=True)
class Scene:
    """All that is drawn at random for N examples; `render` makes the pictures.

    Attributes
    ----------
    label : int array [N]
    clutter : int array [N]
        Number of distractors.
    texture_frequency : float array [N]
        Cycles per image.
    noise : float array [N]
        Standard deviation, grey levels.
    size : float array [N]
        Diameter of the circle around the object, pixels.
    contrast : float array [N]
        Absolute difference of object and background, grey levels.
    polarity : float array [N]
        1 for an object brighter than the background, -1 for a darker one.
    middle : float array [N, 3]
        Colour halfway between background and object, grey levels.
    shift : float array [N, 2]
        Centre of the object from the centre of the image, to the right and up, pixels.
    rotation : float array [N]
        Turn of the object, counter-clockwise, radians.
    texture_angle, texture_phase : float array [N]
        Direction of the grating's wave vector, and its phase at the image's centre, radians.
    stroke_rank : int array [N, CELLS, CELLS]
        Order in which the cells are filled, from 0.
    stroke_length : float array [N, CELLS, CELLS]
        Pixels.
    stroke_angle : float array [N, CELLS, CELLS]
        Radians.
    stroke_shift : float array [N, CELLS, CELLS, 2]
        Centre of the stroke in its cell, as a fraction -1 to 1 of the room there is.
    stroke_polarity : float array [N, CELLS, CELLS]
        1 for a stroke brighter than what it lies on, -1 for a darker one.
    stroke_colour : float array [N, CELLS, CELLS, 3]
        Fraction of the amplitude in each channel.
    grain : float array [N, SIDE, SIDE]
        The noise in standard deviations, the same in all channels: were it independent, a network
        could average it away over the channels.
    """

    label: np.ndarray
    clutter: np.ndarray
    texture_frequency: np.ndarray
    noise: np.ndarray
    size: np.ndarray
    contrast: np.ndarray
    polarity: np.ndarray
    middle: np.ndarray
    shift: np.ndarray
    rotation: np.ndarray
    texture_angle: np.ndarray
    texture_phase: np.ndarray
    stroke_rank: np.ndarray
    stroke_length: np.ndarray
    stroke_angle: np.ndarray
    stroke_shift: np.ndarray
    stroke_polarity: np.ndarray
    stroke_colour: np.ndarray
    grain: np.ndarray


def draw(seed: int, split: str, block: int) -> Scene:
    """Draw one block: examples ``block * BLOCK`` to ``(block + 1) * BLOCK - 1`` of a split.

    A block is always drawn whole, so that what it holds does not depend on the split's size.

    Parameters
    ----------
    seed : int
        The data's seed, 0 or more.
    split : str
    block : int
        From 0.

    Returns
    -------
    Scene
        N is `BLOCK`.
    """
    rng = seeds.generator(seed, f"controlled/{split}/{block}")
    n, cells = BLOCK, (BLOCK, CELLS, CELLS)
    return Scene(  # in this order, which is part of what the seed means
        label=rng.integers(len(SHAPES), size=n, dtype=np.int32),
        clutter=rng.integers(*CLUTTER, size=n, endpoint=True),
        texture_frequency=rng.uniform(*TEXTURE_FREQUENCY, n),
        noise=rng.uniform(*NOISE, n),
        size=rng.uniform(*SIZE, n),
        contrast=rng.uniform(*CONTRAST, n),
        polarity=rng.choice([-1.0, 1.0], n),
        middle=rng.uniform(*MIDDLE, (n, 3)),
        shift=rng.uniform(-SHIFT, SHIFT, (n, 2)),
        rotation=rng.uniform(-ROTATION, ROTATION, n),
        texture_angle=rng.uniform(0.0, np.pi, n),
        texture_phase=rng.uniform(0.0, 2 * np.pi, n),
        stroke_rank=rng.permuted(np.tile(np.arange(CELLS**2), (n, 1)), axis=1).reshape(cells),
        stroke_length=rng.uniform(*STROKE_LENGTH, cells),
        stroke_angle=rng.uniform(0.0, np.pi, cells),
        stroke_shift=rng.uniform(-1.0, 1.0, (*cells, 2)),
        stroke_polarity=rng.choice([-1.0, 1.0], cells),
        stroke_colour=rng.uniform(*STROKE_COLOUR, (*cells, 3)),
        grain=rng.standard_normal((n, SIDE, SIDE)),
    )


def _pixel_centres(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [1, side] to the right and [side, 1] up, pixels from the centre of a square."""
    along = np.arange(side) - (side - 1) / 2
    return along[None, :], -along[:, None]


def _turned(x: np.ndarray, y: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along axes that are turned counter-clockwise by `angle`."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return cosine * x + sine * y, cosine * y - sine * x


def _object(scene: Scene) -> np.ndarray:
    """Coverage of each pixel by the object [N, SIDE, SIDE]."""
    x, y = _pixel_centres(SIDE)
    x, y = x - scene.shift[:, 0, None, None], y - scene.shift[:, 1, None, None]
    x, y = _turned(x, y, scene.rotation[:, None, None])
    return coverage(scene.label, x, y, scene.size / 2)


def _texture(scene: Scene) -> np.ndarray:
    """Sine grating in grey levels [N, SIDE, SIDE]."""
    along, _ = _turned(*_pixel_centres(SIDE), scene.texture_angle[:, None, None])
    turn = 2 * np.pi * scene.texture_frequency[:, None, None] / SIDE
    return TEXTURE_AMPLITUDE * np.sin(turn * along + scene.texture_phase[:, None, None])


def _clutter(scene: Scene) -> np.ndarray:
    """Strokes in grey levels [N, SIDE, SIDE, 3]: each pixel is computed for its own cell only."""
    half = scene.stroke_length[..., None, None] / 2
    # A stroke keeps clear of its cell's edge, so that two neighbours never touch.
    room = CELL / 2 - 1 - STROKE_RADIUS - half
    x, y = _pixel_centres(CELL)
    x = x - scene.stroke_shift[..., 0, None, None] * room
    y = y - scene.stroke_shift[..., 1, None, None] * room
    along, across = _turned(x, y, scene.stroke_angle[..., None, None])
    beyond = np.maximum(np.abs(along) - half, 0.0)
    distance = np.sqrt(beyond * beyond + across * across) - STROKE_RADIUS
    drawn = scene.stroke_rank < scene.clutter[:, None, None]
    covered = np.clip(0.5 - distance, 0.0, 1.0) * drawn[..., None, None]
    step = STROKE_AMPLITUDE * scene.stroke_polarity[..., None] * scene.stroke_colour
    cells = covered[..., None] * step[..., None, None, :]
    return cells.swapaxes(2, 3).reshape(-1, SIDE, SIDE, 3)  # [N, row, y, column, x, 3] before


def render(scene: Scene) -> np.ndarray:
    """Add the layers up, before rounding and clipping.

    The texture runs over the object too: were the object plain, a missing texture would show it
    whatever its contrast. Background and object lie symmetrically about `middle`, so that neither
    is clipped more often than the other.

    Returns
    -------
    float64 array [N, SIDE, SIDE, 3]
        Grey levels, possibly below 0 or above 255.
    """
    step = (scene.polarity * scene.contrast)[:, None, None]
    grey = step * (_object(scene) - 0.5) + _texture(scene)
    grey += scene.noise[:, None, None] * scene.grain
    image = _clutter(scene)
    image += grey[..., None]
    image += scene.middle[:, None, None, :]
    return image


def quantise(image: np.ndarray) -> np.ndarray:
    """Nearest grey level, 0 to 255, as uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


COLUMNS = {  # name: unit, description
    "clutter": ("", "number of distractors, small strokes and dots strewn over the picture"),
    "texture_frequency": ("cycles per image", "spatial frequency of the grating over the picture"),
    "noise": ("grey levels", "standard deviation of the noise, the same in all channels"),
    "size": ("pixels", "diameter of the circle around the object"),
    "contrast": ("grey levels", "absolute difference of object and background in each channel"),
}


def _checked_size(split: str, options: Any) -> int:
    size = options[f"{split}_size"]
    if not 1 <= size <= LARGEST:
        raise UsageError(
            f"data.{split}_size is {size}, but the controlled set is made to any size and has no "
            f"natural end: set data.{split}_size to the number of examples, 1 to {LARGEST}"
        )
    return size


def load(split: str, options: Any) -> Split:
    """Make one split.

    Parameters
    ----------
    split : {"train", "test"}
        Independent of each other.
    options : ConfigDict
        ``config.data``: `seed`, and `train_size` or `test_size`, 1 to 10 million examples.

    Returns
    -------
    Split
        Ids are ``train_0000000`` and so on; metadata holds the five factors, all assigned.

    Raises
    ------
    UsageError
        If the size is out of range.
    """
    size = _checked_size(split, options)
    label = np.empty(size, np.int32)
    image = np.empty((size, SIDE, SIDE, 3), np.uint8)
    values: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
    for start in range(0, size, BLOCK):
        scene = draw(options.seed, split, start // BLOCK)
        keep = min(BLOCK, size - start)
        label[start : start + keep] = scene.label[:keep]
        image[start : start + keep] = quantise(render(scene))[:keep]
        for name, parts in values.items():
            parts.append(getattr(scene, name)[:keep])
    digits = len(str(LARGEST - 1))
    return Split(
        name=split,
        id=np.array([f"{split}_{n:0{digits}d}" for n in range(size)]),
        label=label,
        image=image,
        class_names=tuple(SHAPES),
        metadata={
            name: Column(np.concatenate(values[name]), *about, assigned=True)
            for name, about in COLUMNS.items()
        },
    )
