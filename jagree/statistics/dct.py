"""Share of the discrete cosine transform's coefficients that an image needs."""

import numpy as np
import scipy.fft

from jagree.statistics import pixels

# Distinct luminances lie at least 1e-4 apart, equal ones that were added up from other colours
# within 1e-13: between the two, a spread tells contrast from rounding.
_ROUNDING = 1e-6


def coefficients(image: np.ndarray) -> np.ndarray:
    """Two-dimensional discrete cosine transform of the luminance.

    The orthonormal DCT-II of `pixels.luminance` / 255: the sum of squared coefficients is that of
    the squared luminances.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]

    Returns
    -------
    float64 array [H, W]
        [0, 0] is the DC term, sqrt(H W) times the mean.

    Raises
    ------
    ValueError
        If `image` is no image.

    References
    ----------
    Ahmed, Natarajan and Rao, "Discrete cosine transform", IEEE Trans. Computers C-23, 1974.

    Examples
    --------
    >>> import numpy as np
    >>> coefficients(np.full((2, 2), 255, np.uint8)).round(9).tolist()  # the weights sum to 0.9999
    [[1.9998, 0.0], [0.0, 0.0]]
    """
    return _transform(pixels.luminance(image))


def dct_share(image: np.ndarray, include_dc: bool = True, tolerance: float = 0.9998) -> float:
    """Fraction of the coefficients that holds nearly all of the image.

    With the coefficients c_1, c_2, ... in descending order of magnitude and
    r(n) = norm(c_1 ... c_n) / norm(c), the share is the number of n >= 1 with r(n) < tolerance,
    over the number of coefficients: one less than are needed to reach the tolerance.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
    include_dc : bool
        Whether the DC term is among the coefficients, as in the paper. It holds most of the norm,
        so the share then falls as the image gets brighter. Without it, c are the other H W - 1
        coefficients, in both norms and in the denominator.
    tolerance : float
        Part of the norm (not of the energy, its square) to be reached, 0 to 1.

    Returns
    -------
    float
        0 to less than 1. 0 if one coefficient holds enough, as for a constant image; 0 too if all
        coefficients are 0 (a black image, or a constant one without DC), as nothing is needed then.

    Raises
    ------
    ValueError
        If `image` is no image, or `tolerance` is not within 0 and 1.

    Notes
    -----
    In double precision. The paper's code works in single precision, where the norm of a large
    image is too small by up to a third of 1 - tolerance, and the share by 3 to 8 % of its value.

    References
    ----------
    Pliushch et al., "When deep classifiers agree", arXiv 2105.08997.

    Examples
    --------
    >>> import numpy as np
    >>> checks = (np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8)
    >>> dct_share(checks), dct_share(checks, include_dc=False)  # 17 of 64 needed, 16 of 63
    (0.25, 0.23809523809523808)
    >>> dct_share(np.full((8, 8), 99, np.uint8), include_dc=False)
    0.0
    """
    if not 0 <= tolerance <= 1:
        raise ValueError(f"tolerance must be a fraction of the norm, 0 to 1, not {tolerance}")
    grey = pixels.luminance(image)
    if not include_dc and np.ptp(grey) < _ROUNDING:
        return 0.0
    c = _transform(grey).ravel()[0 if include_dc else 1 :]
    # r(n) < tolerance where the c.size - n weakest hold more than 1 - tolerance^2 of the energy.
    # Adding up from the weakest keeps the digits of what is small, which decides.
    energy = np.cumsum(np.sort(c * c))
    spare = (1 - tolerance) * (1 + tolerance) * energy[-1]
    return float(np.count_nonzero(energy[:-1] > spare)) / c.size


def _transform(grey: np.ndarray) -> np.ndarray:
    return scipy.fft.dctn(grey / 255, type=2, norm="ortho")
