"""The image statistics against their literal definitions, on this machine.

    python bench/image_statistics.py [--rounds=5 --cifar=200 --photos=12]

Times each statistic on CIFAR-10's test images and on photographs of 375x500 pixels, one core, in
turn with its definition spelled out (segments: with scikit-image's), and prints for each the median
time per image, the ratio, how often both gave the same, and what all of CIFAR-10 and of Pascal VOC
2012 would take on two cores. $JAGREE_TEST_DATA names the folder of the real data.
"""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.fft
import skimage.segmentation
import threadpoolctl
from absl import app, flags, logging
from PIL import Image, ImageOps

from jagree.configs import default
from jagree.data.files import ImageFiles
from jagree.data.sources import cifar10
from jagree.statistics import dct, entropy, pixels, segments

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that each image is measured.", lower_bound=1)
_CIFAR = flags.DEFINE_integer("cifar", 200, "Number of CIFAR-10 test images.", lower_bound=1)
_PHOTOS = flags.DEFINE_integer("photos", 12, "Number of photographs.", lower_bound=1)

Statistic = Callable[[np.ndarray], float]
SLOW = 0.5  # seconds; a literal form that takes longer is measured once per image
CORES = 2


def window_loop(image: np.ndarray, rounded: bool = False) -> float:
    """Mean local entropy, window by window."""
    grey = np.rint(pixels.luminance(image)) if rounded else pixels.luminance(image)
    values = []
    for top in range(grey.shape[0] - 9):
        for left in range(grey.shape[1] - 9):
            _, count = np.unique(grey[top : top + 10, left : left + 10], return_counts=True)
            p = count / 100
            values.append(-np.sum(p * np.log2(p)))
    return float(np.mean(values))


def sort_and_cumulate(image: np.ndarray, include_dc: bool = True) -> float:
    """Share of coefficients, from the strongest on."""
    c = scipy.fft.dctn(pixels.luminance(image) / 255, norm="ortho").ravel()
    c = np.sort(np.abs(c if include_dc else c[1:]))[::-1]
    norm = np.sqrt(np.cumsum(c**2))
    return float(np.count_nonzero(norm / norm[-1] < 0.9998)) / c.size


def skimage_count(image: np.ndarray) -> float:
    """Number of segments by scikit-image, which smooths the border differently."""
    labels = skimage.segmentation.felzenszwalb(image, scale=500, sigma=0.5, min_size=20)
    return float(labels.max()) + 1


def forms() -> dict[str, tuple[Statistic, Statistic | None]]:
    """Ours and the literal form of each statistic."""
    from jagree.statistics.edges import edge_strength, gradient_strength

    return {
        "entropy": (entropy.mean_local_entropy, window_loop),
        "entropy, 8-bit grey": (
            lambda image: entropy.mean_local_entropy(image, rounded=True),
            lambda image: window_loop(image, rounded=True),
        ),
        "DCT share": (dct.dct_share, sort_and_cumulate),
        "DCT share without DC": (
            lambda image: dct.dct_share(image, include_dc=False),
            lambda image: sort_and_cumulate(image, include_dc=False),
        ),
        "segments": (segments.segment_count, skimage_count),
        "edge strength, speedy": (edge_strength, None),
        "gradient strength": (gradient_strength, None),
    }


def image_sets(folder: Path) -> dict[str, tuple[list[np.ndarray], int]]:
    """Images to measure, and how many the whole set has."""
    options = default.get_config().data
    options.dir, options.test_size = str(folder / "tfds"), _CIFAR.value
    small = list(cifar10.load("test", options).image)
    files = ImageFiles(folder / "imagenet-samples")
    chosen = np.linspace(0, len(files) - 1, _PHOTOS.value).round().astype(int)
    photos = [Image.fromarray(image) for image in files.originals(chosen)]
    large = [np.array(ImageOps.fit(photo, (500, 375))) for photo in photos]
    return {"CIFAR-10": (small, 60_000), "photographs, as many as VOC": (large, 11_500)}


def timed(form: Statistic, image: np.ndarray) -> tuple[float, float]:
    """Milliseconds and value of one call."""
    started = time.perf_counter()
    value = form(image)
    return (time.perf_counter() - started) * 1e3, float(value)


def measured(
    ours: Statistic, literal: Statistic | None, images: list[np.ndarray]
) -> list[tuple[float, float, float, float]]:
    """Times and values of both forms, in turn, for each image of each round; nan if not taken."""
    for form in filter(None, (ours, literal)):
        milliseconds = min(timed(form, images[0])[0] for _ in range(2))  # compiled in the first
    slow = milliseconds > SLOW * 1e3
    results = []
    for turn in range(_ROUNDS.value):
        for i, image in enumerate(images):
            a, x = timed(ours, image)
            wanted = literal is not None and (not slow or i % _ROUNDS.value == turn)
            b, y = timed(literal, image) if wanted else (math.nan, math.nan)
            results.append((a, b, x, y))
    return results


def report(name: str, results: list[tuple[float, float, float, float]], whole: int) -> str:
    """One line: medians, their ratio, agreement, time of the whole set."""
    ours = [a for a, _, _, _ in results]
    line = f"  {name:22} {statistics.median(ours):9.3f} ms"
    both = [result for result in results if not math.isnan(result[1])]
    if both:
        literal = statistics.median(b for _, b, _, _ in both)
        ratio = literal / statistics.median(ours)
        same = sum(math.isclose(x, y, abs_tol=1e-9) for _, _, x, y in both)
        line += f", literal {literal:9.3f} ms, ratio {ratio:6.1f}, equal {same} of {len(both)}"
    seconds = statistics.fmean(ours) / 1e3 * whole / CORES
    return f"{line}; {whole:,} images on {CORES} cores: {seconds:,.0f} s"


def main(_: list[str]) -> None:
    """Measure and print."""
    logging.set_verbosity(logging.WARNING)
    folder = os.environ.get("JAGREE_TEST_DATA", "")
    if not Path(folder, "tfds").is_dir():
        raise app.UsageError(f"JAGREE_TEST_DATA={folder!r} does not name the folder of real data")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, one used; Python "
        f"{platform.python_version()}, NumPy {np.__version__}, {_ROUNDS.value} rounds"
    )
    with threadpoolctl.threadpool_limits(1):
        for title, (images, whole) in image_sets(Path(folder)).items():
            print(f"{title}: {len(images)} of {images[0].shape[0]}x{images[0].shape[1]} pixels")
            for name, (ours, literal) in forms().items():
                print(report(name, measured(ours, literal, images), whole), flush=True)


if __name__ == "__main__":
    app.run(main)
