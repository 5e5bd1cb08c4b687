"""The whole method, from an image to its edge map and the sum of it."""

import numpy as np

from jagree.statistics import pixels
from jagree.statistics.edges import affinity, contours, features, presets, spectral

_SEEDS = 2**64


def edge_map(image: np.ndarray, preset: str = "speedy", seed: int = 0) -> np.ndarray:
    """Strength of the boundary at each pixel of the image at half its resolution.

    Boundaries are where neighbouring features (colour; local variation) are found together less
    often than by chance. Their pointwise mutual information, learned from samples of the image
    itself, makes a graph of its pixels; the gradients of the graph's smallest eigenvectors are
    added up, and the strongest of 8 orientations is taken.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
        sRGB, or grey, which is repeated.
    preset : {"speedy", "accurate_low_res"}
        The second differs in finding exact eigenvectors of the whole graph, not of a coarsened one.
    seed : int
        0 to 2**64 - 1. Samples are drawn anew for each seed: at 32x32 pixels, the sum of the map
        varies by 15 % (standard deviation) from seed to seed. Give every image its own.

    Returns
    -------
    float64 array [ceil(H/2), ceil(W/2)]
        0 or more. Not normalised, neither by the image nor by the number of eigenvectors, which
        grows with the image up to 99; at 32x32 pixels the largest value is 2 to 3. All 0 where
        there is nothing to compare: where all pixels are equal (at half the resolution), and
        where the graph has fewer than 2 nodes, which for "speedy" are images below 16x8 pixels
        or so: floor(ceil(H/2) / 4) floor(ceil(W/2) / 4) nodes.

    Raises
    ------
    ValueError
        If it is not such an image, preset or seed.

    References
    ----------
    Isola et al. 2014, Crisp boundary detection using pointwise mutual information; constants and
    preset of the released code.
    """
    return _maps(image, preset, seed, 1)[0]


def edge_strengths(
    image: np.ndarray, preset: str = "speedy", seed: int = 0, repeats: int = 1
) -> np.ndarray:
    """Sums of edge maps with independent samples, to average and to know how sure the mean is.

    Parameters
    ----------
    image, preset, seed
        See `edge_map`.
    repeats : int
        How many, 1 or more. The first is that of `edge_map`, and more do not change those before.

    Returns
    -------
    float64 array [repeats]
        0 or more. Sums of images of different sizes do not compare.

    Raises
    ------
    ValueError
        If it is not such an image, preset or seed, or for less than 1 repeat.
    """
    return np.array([one.sum() for one in _maps(image, preset, seed, repeats)])


def edge_strength(
    image: np.ndarray, preset: str = "speedy", seed: int = 0, repeats: int = 1
) -> float:
    """Sum of edge strengths: `edge_map` added up over all its pixels.

    Parameters
    ----------
    image, preset, seed
        See `edge_map`.
    repeats : int
        Independent samples averaged over, 1 or more; see `edge_strengths`.

    Returns
    -------
    float
        0 or more. About 250 for an image of CIFAR-10.

    Raises
    ------
    ValueError
        If it is not such an image, preset or seed, or for less than 1 repeat.

    Examples
    --------
    >>> import numpy as np
    >>> edge_strength(np.full((32, 32), 7, np.uint8))
    0.0
    """
    return float(edge_strengths(image, preset, seed, repeats).mean())


def _maps(image: np.ndarray, preset: str, seed: int, repeats: int) -> list[np.ndarray]:
    constants = presets.find(preset)
    rngs = _generators(seed, repeats)
    sets = features.feature_sets(pixels.rgb(image))
    shape = sets[0].shape[:2]
    if not any(map(features.varies, sets)) or spectral.nodes(shape, constants) < 2:
        return [np.zeros(shape) for _ in rngs]
    return [_map(sets, constants, rng) for rng in rngs]


def _map(sets: list[np.ndarray], constants: presets.Preset, rng: np.random.Generator) -> np.ndarray:
    forests = [affinity.learn(one, constants, rng) for one in sets]
    stencil = affinity.affinities(sets, forests)
    vectors, values = spectral.eigenvectors(stencil, constants)
    return contours.strongest(contours.contours(vectors, values))


def _generators(seed: int, repeats: int) -> list[np.random.Generator]:
    """One independent stream per repeat; the r-th of a seed is always the same."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < _SEEDS:
        raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, not {seed!r}")
    if repeats < 1:
        raise ValueError(f"repeats must be 1 or more, not {repeats}")
    return [
        np.random.Generator(np.random.Philox(np.random.SeedSequence(int(seed), spawn_key=(r,))))
        for r in range(repeats)
    ]
