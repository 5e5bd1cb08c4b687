"""Edge maps against people's boundaries: precision and recall on images of BSDS500.

    JAGREE_TEST_DATA=... python bench/edges_bsds.py [--preset=speedy] [--images=20]

Reads ``bsds500-20/images/*.jpg`` and ``bsds500-20/groundTruth/*.mat`` of that folder. Prints the F
measure at the best threshold for all images (ODS) and for each (OIS), average precision (AP), and
the time per edge map. The measures are those of Arbelaez et al. 2011, sec. 3.1; the maps are only
thinned, not made into closed contours. With "speedy": ODS 0.77, in a minute on one core.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
import scipy.ndimage
from absl import app, flags
from PIL import Image
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from skimage.morphology import thin
from threadpoolctl import threadpool_limits

from jagree.statistics.compiled import compiled
from jagree.statistics.edges import PRESETS, edge_map

_PRESET = flags.DEFINE_enum("preset", "speedy", list(PRESETS), "Preset of the edge map.")
_IMAGES = flags.DEFINE_integer("images", 20, "How many images, in the order of their names.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the first image; the others count on from it.")
THRESHOLDS = np.arange(1, 100) / 100  # of the largest value of the set
DISTANCE = 0.0075  # between matched pixels, as a part of the image's diagonal


@dataclass(frozen=True)
class Counts:
    """Of one image, per threshold: pixels matched and pixels there are, predicted and annotated."""

    right: np.ndarray
    predicted: np.ndarray
    found: np.ndarray
    annotated: np.ndarray


def boundaries(path: Path) -> list[np.ndarray]:
    """Maps of boundary pixels, one per annotator."""
    truth = scipy.io.loadmat(path)["groundTruth"]
    return [truth[0, i]["Boundaries"][0, 0].astype(bool) for i in range(truth.shape[1])]


def enlarged(half: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The map at full size, bilinear: its pixel i is centred between pixels 2 i and 2 i + 1."""
    at = np.meshgrid(*((np.arange(n) - 0.5) / 2 for n in shape), indexing="ij")
    return scipy.ndimage.map_coordinates(half, at, order=1, mode="nearest")


def ridges(edges: np.ndarray) -> np.ndarray:
    """The map where it is no smaller than one pixel away on both sides across the edge, else 0."""
    smooth = scipy.ndimage.gaussian_filter(edges, 2)
    yy, xx, xy = (
        scipy.ndimage.gaussian_filter(smooth, 1, order) for order in ((2, 0), (0, 2), (1, 1))
    )
    # Across the edge the map curves most: the Hessian's eigenvector of the most negative value.
    angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    y, x = np.indices(edges.shape)
    kept = edges > 0
    for sign in (-1, 1):
        at = [y + sign * np.sin(angle), x + sign * np.cos(angle)]
        beside = scipy.ndimage.map_coordinates(edges, at, order=1, mode="nearest")
        kept &= 1.01 * edges >= beside
    return np.where(kept, edges, 0)


def compare(ridge: np.ndarray, truths: list[np.ndarray]) -> Counts:
    """Match predicted pixels one to one with each annotator's, at every threshold.

    A predicted pixel is right if any annotator has it.
    """
    reach = DISTANCE * np.hypot(*ridge.shape)
    pixels = np.argwhere(ridge >= THRESHOLDS[0])
    number = np.full(ridge.shape, -1)
    number[tuple(pixels.T)] = np.arange(len(pixels))
    near = [neighbours(pixels, np.argwhere(truth), reach) for truth in truths]
    rows = []
    for threshold in THRESHOLDS:
        chosen = number[thin(ridge >= threshold)]
        matched = [matching(n[chosen]) for n in near]
        rows.append((np.any(matched, 0).sum(), len(chosen), np.sum(matched)))
    right, predicted, found = np.array(rows).T
    return Counts(right, predicted, found, np.full(len(rows), sum(t.sum() for t in truths)))


def neighbours(a: np.ndarray, b: np.ndarray, reach: float) -> csr_array:
    """Which points of `a` are within reach of which of `b`."""
    pairs = cKDTree(a).sparse_distance_matrix(cKDTree(b), reach, output_type="coo_matrix")
    return csr_array((np.ones(pairs.nnz), (pairs.row, pairs.col)), shape=(len(a), len(b)))


def matching(near: csr_array) -> np.ndarray:
    """Which rows have a column of their own in a largest matching: bool [rows]."""
    return _match(near.indptr, near.indices, near.shape[1]) >= 0


@compiled
def _match(starts: np.ndarray, columns: np.ndarray, count: int) -> np.ndarray:
    """The column of each row, -1 for none. SciPy's own takes minutes on some of these graphs.

    For each row in turn, a path is sought by depth that ends in a free column; along it, every row
    moves on by one column. What a search in vain has seen is never looked at again: no later
    path can lead through it.
    """
    n = len(starts) - 1
    column_of, row_of = np.full(n, -1), np.full(count, -1)
    seen, visited = np.full(count, -1), np.empty(count, np.int64)
    path, following = np.empty(n, np.int64), starts[:-1].copy()
    for root in range(n):
        path[0], following[root] = root, starts[root]
        depth = found = 0
        while depth >= 0:
            row = path[depth]
            if following[row] == starts[row + 1]:
                depth -= 1
                continue
            column = columns[following[row]]
            following[row] += 1
            if seen[column] == root or seen[column] == n:
                continue
            seen[column] = root
            visited[found] = column
            found += 1
            if row_of[column] < 0:
                break
            depth += 1
            path[depth] = row_of[column]
            following[path[depth]] = starts[path[depth]]
        if depth < 0:
            seen[visited[:found]] = n
        for row in path[: depth + 1]:
            column_of[row] = columns[following[row] - 1]
            row_of[column_of[row]] = row
    return column_of


def measures(right, predicted, found, annotated):
    """Precision, recall and their harmonic mean F; 0 where nothing is predicted."""
    precision = right / np.maximum(predicted, 1)
    recall = found / np.maximum(annotated, 1)
    return precision, recall, 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def summary(counts: list[Counts]) -> str:
    """ODS, OIS and AP, each with precision and recall."""
    fields = ("right", "predicted", "found", "annotated")
    per_image = np.array([[getattr(c, name) for name in fields] for c in counts])
    precision, recall, f = measures(*per_image.sum(0))
    best = int(np.argmax(f))
    of_each = np.argmax([measures(*one)[2] for one in per_image], axis=1)
    chosen = per_image[np.arange(len(counts)), :, of_each].sum(0)
    p, r, ois = measures(*chosen)
    order = np.argsort(recall)
    grid = np.arange(101) / 100
    # As in the benchmark of BSDS500: 0 where no threshold has so little, or so much, recall.
    ap = np.interp(grid, recall[order], precision[order], left=0, right=0).mean()
    return (
        f"ODS {f[best]:.3f} (precision {precision[best]:.3f}, recall {recall[best]:.3f}, "
        f"threshold {THRESHOLDS[best]:.2f})\n"
        f"OIS {ois:.3f} (precision {p:.3f}, recall {r:.3f})\nAP  {ap:.3f}"
    )


def main(_: list[str]) -> None:
    """Draw all maps, scale them together, compare each with its annotators."""
    folder = Path(os.environ["JAGREE_TEST_DATA"], "bsds500-20")
    paths = sorted((folder / "images").glob("*.jpg"))[: _IMAGES.value]
    maps, seconds = [], []
    edge_map(np.asarray(Image.open(paths[0]))[:32, :32], _PRESET.value)  # compiles
    with threadpool_limits(1):
        for i, path in enumerate(paths):
            image = np.asarray(Image.open(path))
            started = time.perf_counter()
            half = edge_map(image, _PRESET.value, _SEED.value + i)
            seconds.append(time.perf_counter() - started)
            maps.append(ridges(enlarged(half, image.shape[:2])))
    largest = max(m.max() for m in maps)
    counts = []
    for path, ridge in zip(paths, maps, strict=True):
        truths = boundaries(folder / "groundTruth" / f"{path.stem}.mat")
        counts.append(compare(ridge / largest, truths))
    print(f"{_PRESET.value}, {len(paths)} images, {np.median(seconds):.2f} s per edge map (median)")
    print(summary(counts))


if __name__ == "__main__":
    app.run(main)
