"""What pixels are compared by: colour and local variation, at half resolution.

Either is an array [h, w, 3] of three decorrelated channels that share the range 0 to 1. Affine
steps on the way (the [0, 1] scalings of the original) are left out where the last one undoes them.
"""

import numpy as np

from jagree.statistics.compiled import compiled

# Linear sRGB to CIE XYZ, adapted to the D50 white of ICC profiles by Bradford's method.
_XYZ = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
_NEGLIGIBLE = 1e-9  # a channel that varies less varies by rounding only
_DISC = np.array([(y, x) for y in range(-2, 3) for x in range(-2, 3) if y * y + x * x <= 4])


def feature_sets(image: np.ndarray) -> list[np.ndarray]:
    """Colour and local variation of the image.

    Parameters
    ----------
    image : uint8 array [H, W, 3]

    Returns
    -------
    two float64 arrays [ceil(H/2), ceil(W/2), 3]
        0 to 1, all channels of a set scaled together, so that the first spans most of it. All 0
        where a set does not vary over the image.

    References
    ----------
    Isola et al. 2014, Crisp boundary detection using pointwise mutual information, sec. 3.3.
    """
    return [_decorrelated(halve(channels)) for channels in (lab(image), variation(image))]


def varies(features: np.ndarray) -> bool:
    """Whether the pixels of a feature set differ at all."""
    return bool(features.max() > 0)


def lab(image: np.ndarray) -> np.ndarray:
    """CIE L*a*b* with the D50 white point.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        sRGB.

    Returns
    -------
    float64 array [H, W, 3]
        L* from 0 to 100, a* and b* from about -112 to 94.
    """
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    relative = linear[image] @ (_XYZ / _XYZ.sum(1, keepdims=True)).T
    root = np.where(
        relative > (6 / 29) ** 3, np.cbrt(relative), relative * (29 / 6) ** 2 / 3 + 4 / 29
    )
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def variation(image: np.ndarray) -> np.ndarray:
    """Square root of the standard deviation around each pixel, of the principal components of RGB.

    Parameters
    ----------
    image : uint8 array [H, W, 3]

    Returns
    -------
    float64 array [H, W, 3]
        Sample standard deviation (n - 1) over the 13 pixels at a distance of at most 2, beyond
        the border mirrored with the edge pixel repeated. 0 exactly where those are equal.
    """
    components = principal_components(image / 255)
    return np.sqrt(
        _disc_deviation(np.pad(components, ((2, 2), (2, 2), (0, 0)), "symmetric"), _DISC)
    )


@compiled
def _disc_deviation(padded: np.ndarray, disc: np.ndarray) -> np.ndarray:
    height, width, channels = padded.shape[0] - 4, padded.shape[1] - 4, padded.shape[2]
    count = len(disc)
    out = np.empty((height, width, channels))
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                # Differences to the centre: exactly 0 where all are equal, and no cancellation.
                centre = padded[y + 2, x + 2, c]
                total = squares = 0.0
                for k in range(count):
                    difference = padded[y + 2 + disc[k, 0], x + 2 + disc[k, 1], c] - centre
                    total += difference
                    squares += difference * difference
                variance = (squares - total * total / count) / (count - 1)
                out[y, x, c] = np.sqrt(max(variance, 0.0))
    return out


def halve(channels: np.ndarray) -> np.ndarray:
    """Half the resolution: bicubic (a = -0.5), antialiased, mirrored with the edge pixel repeated.

    Parameters
    ----------
    channels : float64 array [H, W, C]

    Returns
    -------
    float64 array [ceil(H/2), ceil(W/2), C]
        Pixel (i, j) is centred between the pixels 2 i and 2 i + 1, 2 j and 2 j + 1.
    """
    origin = channels[0, 0]  # taken off, so that what is constant stays so exactly
    out = channels - origin
    for axis in (0, 1):
        out = np.moveaxis(out, axis, 0)
        size = (len(out) + 1) // 2
        padded = np.pad(out, ((3, 4), (0, 0), (0, 0)), "symmetric")
        halved = sum(w * padded[k : k + 2 * size : 2] for k, w in enumerate(half_taps()))
        out = np.moveaxis(np.asarray(halved), 0, axis)
    return out + origin


def half_taps() -> np.ndarray:
    """Weights of the 8 pixels around a pixel of half the resolution, which add up to 1."""
    x = np.abs(np.arange(8) - 3.5) / 2  # the kernel is stretched with the pixels
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x <= 1, near, far)
    return weights / weights.sum()


def principal_components(channels: np.ndarray) -> np.ndarray:
    """Scores of the pixels on the principal components of their channels, largest variance first.

    Parameters
    ----------
    channels : float64 array [H, W, 3]

    Returns
    -------
    float64 array [H, W, 3]
        Centred. The entry of largest magnitude of each component is positive. Components that
        vary by rounding only are exactly 0; equal pixels have exactly equal scores.
    """
    height, width, count = channels.shape
    pixels = channels.reshape(-1, count)
    pixels = pixels - pixels[0]  # the mean of equal values would be rounded
    pixels = pixels - pixels.mean(0)
    loadings = np.linalg.eigh(pixels.T @ pixels)[1][:, ::-1]
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(0)[None], 0)
    loadings = loadings * np.sign(largest)
    # Term by term: a matrix product may round equal pixels differently.
    scores = sum(pixels[:, c, None] * loadings[c] for c in range(count))
    extent = np.ptp(scores, axis=0)
    scores[:, extent <= _NEGLIGIBLE * max(extent.max(), 1.0)] = 0
    return scores.reshape(height, width, count)


def _decorrelated(channels: np.ndarray) -> np.ndarray:
    """Principal components, scaled to [0, 1] all together; 0 where there is no variation."""
    scores = principal_components(channels)
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)
