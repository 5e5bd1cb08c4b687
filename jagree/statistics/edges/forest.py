"""A small forest of regression trees, grown exactly and fast."""

import itertools
from dataclasses import dataclass

import numpy as np

from jagree.statistics.compiled import compiled

FEATURES = 6
TRIED = 3  # features looked at per split
MIN_LEAF, MIN_PARENT = 5, 10  # samples, counted as often as they were drawn
PURE = 1e-6  # a node with less than this part of the root's mean squared error is not split
ORDERS = np.array(list(itertools.permutations(range(FEATURES))), np.uint8)
_TOGETHER = 32  # samples that go down a tree side by side


@dataclass(frozen=True)
class Forest:
    """Trees as arrays [trees, nodes], node 0 the root; shorter trees are padded.

    From a node, a sample goes to the node `below` if its `feature` is at most the `threshold`, and
    to the one after that otherwise. A leaf leads to itself. `value` is the mean of a node, `depth`
    the number of steps to the deepest leaf.
    """

    feature: np.ndarray
    threshold: np.ndarray
    below: np.ndarray
    value: np.ndarray
    depth: int

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Mean over the trees of the leaf that each sample, float64 [n, 6], falls into."""
        return _predict(self.feature, self.threshold, self.below, self.value, self.depth, x)


def fit(
    x: np.ndarray,
    ranks: np.ndarray,
    y: np.ndarray,
    counts: np.ndarray,
    trees: int,
    rng: np.random.Generator,
) -> Forest:
    """Grow regression trees on the same samples, which differ in the features tried.

    Each node is split where the squared error falls most, over all thresholds of 3 of the 6
    features, drawn at random; of more, one by one, if none of those can be split. A threshold is
    half-way between two values. Not split are nodes of fewer than 10 samples, of at most 1e-6 of
    the root's mean squared error, and those that would leave a child of fewer than 5 samples.

    Parameters
    ----------
    x : float64 array [n, 6]
    ranks : int array [n, 6]
        0 or more; the larger, the larger the value in that column of `x`, and equal where equal.
    y : float64 array [n]
    counts : int array [n]
        How often each sample counts, at least once.
    trees : int
    rng : numpy Generator

    Returns
    -------
    Forest

    References
    ----------
    Isola et al. 2014, sec. 3.4 (approximation by a random forest; constants of the released code);
    Breiman et al. 1984, Classification and regression trees.
    """
    columns = np.ascontiguousarray(x.T)
    # In the smallest type that holds them: up to 16 bits, sorting is by radix.
    small = np.ascontiguousarray(ranks.T.astype(np.min_scalar_type(ranks.max())))
    order, rows = (
        np.argsort(small, axis=1, kind="stable").astype(np.uint32),
        small.astype(np.uint32),
    )
    mean = np.average(y, weights=counts)
    moments = np.stack([counts, counts * (y - mean), counts * (y - mean) ** 2])
    nodes = 2 * (int(counts.sum()) // MIN_LEAF) + 1
    draws = rng.integers(0, len(ORDERS), (trees, nodes))
    grown = [grow(columns, rows, order, moments, ORDERS, draw) for draw in draws]
    size = max(len(tree[0]) for tree in grown)
    feature, threshold, below, value = (
        np.stack([np.pad(tree[f], (0, size - len(tree[f]))) for tree in grown]) for f in range(4)
    )
    return Forest(feature, threshold, below, value + mean, max(tree[4] for tree in grown))


@compiled
def grow(
    x: np.ndarray,
    ranks: np.ndarray,
    order: np.ndarray,
    moments: np.ndarray,
    orders: np.ndarray,
    draws: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Grow one tree, node by node in the order in which they come into being; see `Forest`.

    Every node owns a stretch of each row of `order`: its samples, sorted by each feature. A split
    parts the stretches without sorting again.

    Parameters
    ----------
    x : float64 array [6, n]
    ranks, order : uint32 arrays [6, n]
        Ranks of the samples by each feature, and the samples sorted by it.
    moments : float64 array [3, n]
        Weight, weight times target, weight times squared target; targets with mean 0.
    orders : uint8 array [720, 6]
        The orders in which features may be tried.
    draws : int64 array [nodes]
        The order for each node.

    Returns
    -------
    feature, threshold, below, value : arrays [nodes grown]
    depth : int
    """
    order = order.copy()
    size, n = len(draws), x.shape[1]
    feature, below = np.zeros(size, np.uint32), np.arange(size).astype(np.uint32)
    threshold, value = np.full(size, np.inf), np.empty(size)
    bounds, total, depth = np.zeros((size, 2), np.int64), np.zeros((size, 3)), np.zeros(size)
    goes_below, spare = np.zeros(n, np.uint8), np.empty(n, np.uint32)
    bounds[0, 1] = n
    _sum(order[0], moments, total[0])
    limit = PURE * _squared_error(total[0])
    count, node = 1, 0
    while node < count:
        value[node] = total[node, 1] / total[node, 0]
        if _may_split(total[node], limit):
            stretch = order[:, bounds[node, 0] : bounds[node, 1]]
            f, cut = _best_split(stretch, ranks, moments, total[node], orders[draws[node]])
            if cut > 0:
                feature[node], below[node] = f, count
                threshold[node] = _between(x[f, stretch[f, cut - 1]], x[f, stretch[f, cut]])
                depth[count] = depth[count + 1] = depth[node] + 1
                _sum(stretch[f, :cut], moments, total[count])
                _hand_down(node, count, cut, bounds, total)
                if _may_split(total[count], limit) or _may_split(total[count + 1], limit):
                    _part(stretch, f, cut, goes_below, spare)
                count += 2
        node += 1
    deepest = int(depth[:count].max())
    return feature[:count], threshold[:count], below[:count], value[:count], deepest


@compiled
def _hand_down(node: int, below: int, cut: int, bounds: np.ndarray, total: np.ndarray) -> None:
    """Write the children's bounds, and the moments of the one above."""
    bounds[below, 0] = bounds[node, 0]
    bounds[below, 1] = bounds[below + 1, 0] = bounds[node, 0] + cut
    bounds[below + 1, 1] = bounds[node, 1]
    for moment in range(3):
        total[below + 1, moment] = total[node, moment] - total[below, moment]


@compiled
def _sum(samples: np.ndarray, moments: np.ndarray, out: np.ndarray) -> None:
    """Write the moments of some samples."""
    weight = first = second = 0.0
    for s in samples:
        weight += moments[0, s]
        first += moments[1, s]
        second += moments[2, s]
    out[0], out[1], out[2] = weight, first, second


@compiled
def _squared_error(total: np.ndarray) -> float:
    """Mean squared error of a node with these moments."""
    return total[2] / total[0] - (total[1] / total[0]) ** 2


@compiled
def _may_split(total: np.ndarray, limit: float) -> bool:
    """Whether a node is large and mixed enough; leaves need no sorted samples."""
    return total[0] >= MIN_PARENT and _squared_error(total) > limit


@compiled
def _best_split(
    stretch: np.ndarray,
    ranks: np.ndarray,
    moments: np.ndarray,
    total: np.ndarray,
    tries: np.ndarray,
) -> tuple[int, int]:
    """Feature, and how many of its sorted samples go below: 0 if no split is allowed.

    With deviations from the mean, the fall of the squared error is deviation_below^2
    (1 / w_below + 1 / w_above): up to the node's weight, deviation_below^2 / (w_below w_above).
    Fractions are compared without dividing, which takes longer than all the rest.
    """
    feature, cut, best_fall, best_spread = 0, 0, -1.0, 1.0
    weight, mean = total[0], total[1] / total[0]
    for attempt in range(len(tries)):
        if attempt >= TRIED and cut > 0:
            break
        f = tries[attempt]
        row, rank = stretch[f], ranks[f]
        w = sum_below = 0.0
        s = row[0]
        for i in range(1, len(row)):
            w += moments[0, s]
            sum_below += moments[1, s]
            if weight - w < MIN_LEAF:
                break
            following = row[i]
            deviation = sum_below - w * mean
            fall, spread = deviation * deviation, w * (weight - w)
            better = fall * best_spread > best_fall * spread
            # One branch that is rarely taken, not four that are hard to foresee.
            if better & (w >= MIN_LEAF) & (rank[following] != rank[s]):
                feature, cut, best_fall, best_spread = f, i, fall, spread
            s = following
    return feature, cut


@compiled
def _between(low: float, high: float) -> float:
    """The middle of two values, or the lower one where rounding would make it the higher."""
    middle = 0.5 * (low + high)
    return middle if middle < high else low


@compiled
def _part(
    stretch: np.ndarray, chosen: int, cut: int, goes_below: np.ndarray, spare: np.ndarray
) -> None:
    """Move the samples that go below to the front of each row; both parts stay sorted."""
    n = stretch.shape[1]
    for i in range(n):
        goes_below[stretch[chosen, i]] = i < cut
    for f in range(len(stretch)):
        if f != chosen:
            row = stretch[f]
            # Unsigned, as signed numbers would be checked for being negative at every step.
            front, back = np.uint64(0), np.uint64(cut)
            for i in range(n):
                is_below = np.uint64(goes_below[row[i]])
                spare[front if is_below else back] = row[i]
                front += is_below
                back += np.uint64(1) - is_below
            for i in range(n):
                row[i] = spare[i]


@compiled
def _predict(
    feature: np.ndarray,
    threshold: np.ndarray,
    below: np.ndarray,
    value: np.ndarray,
    depth: int,
    x: np.ndarray,
) -> np.ndarray:
    """See `Forest.predict`. Always `depth` steps: no branch to foresee, and many at a time."""
    trees, n = len(feature), len(x)
    out = np.zeros(n)
    at = np.empty(_TOGETHER, np.uint32)
    for start in range(0, n, _TOGETHER):
        count = min(_TOGETHER, n - start)
        for t in range(trees):
            at[:] = 0
            for _ in range(depth):
                for i in range(count):
                    node = at[i]
                    above = x[start + i, feature[t, node]] > threshold[t, node]
                    at[i] = below[t, node] + above
            for i in range(count):
                out[start + i] += value[t, at[i]]
    return out / trees
