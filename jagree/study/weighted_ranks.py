"""Sums of products of ranks, of several weightings of the same examples at once.

A resample of the bootstrap is the examples with whole weights. What correlations of ranks need of
it are sums of products of two columns' mid-ranks over the examples, overall and within classes.
Of a million examples most time goes into finding the count of a value's equals in memory: taking
`TOGETHER` weightings at once, whose counts lie side by side, costs little more than taking one, and
examples in order of their class make classes small pieces of memory.

Ranks are twice the deviation from their mean: whole numbers. Letters: N examples, V columns,
B = `TOGETHER` weightings.
"""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from jagree import pool
from jagree.statistics.compiled import compiled

TOGETHER = 8
PIECES = 16  # of the examples, among the threads
BLOCK = 256  # examples whose ranks are multiplied at a time: they stay in a core's cache


@dataclass(frozen=True)
class Products:
    """Sums of products of the ranks of each two columns, for each weighting: float [B, V, V].

    Attributes
    ----------
    plain : array
        Of ranks over all examples.
    given : array
        The same without the mean of each class.
    within : array
        Of ranks within classes, divided by the size of the class; only the diagonal and the last
        row and column are filled.
    """

    plain: np.ndarray
    given: np.ndarray
    within: np.ndarray


class WeightedRanks:
    """Examples whose ranks are asked for under many weightings.

    Parameters
    ----------
    columns : sequence of arrays [N]
        Values that can be ordered, without nan.
    classes : array [N]
        The class of each example.

    Examples
    --------
    >>> import numpy as np
    >>> ranks = WeightedRanks([np.array([1.0, 5.0, 2.0]), np.array([3, 1, 2])], np.zeros(3, int))
    >>> ranks.weigh(0, np.array([0, 1, 1, 1, 2]))  # the second example three times
    >>> ranks.products().plain[0].tolist()
    [[32.0, -32.0], [-32.0, 32.0]]
    """

    def __init__(self, columns: Sequence[np.ndarray], classes: np.ndarray) -> None:
        codes = [_codes(column) for column in columns]
        of_class = _codes(classes)
        order = np.argsort(of_class, kind="stable")
        self._place = np.empty(len(order), np.uint32)  # of each example, in order of class
        self._place[order] = np.arange(len(order), dtype=np.uint32)
        size = np.bincount(of_class)
        self._starts = np.concatenate([[0], np.cumsum(size)])
        distinct = [int(c.max(initial=-1)) + 1 for c in codes]
        self._first = np.concatenate([[0], np.cumsum(distinct)])
        self._codes = np.array([c[order] for c in codes], np.uint32)
        self._local = np.empty_like(self._codes)
        self._distinct = np.zeros((len(codes), len(size)), np.int64)
        for v, (column, count) in enumerate(zip(codes, distinct, strict=True)):
            both = _codes(of_class * count + column)[order]  # ascending from class to class
            if len(size):
                least = np.minimum.reduceat(both, self._starts[:-1])
                most = np.maximum.reduceat(both, self._starts[:-1])
                self._local[v] = both - np.repeat(least, size)
                self._distinct[v] = most - least + 1
        self._counts = np.zeros((self._first[-1], TOGETHER), np.int32)
        self._pieces = _pieces(self._starts)
        self._weight = np.zeros((len(order), TOGETHER), np.int32)

    def weigh(self, which: int, drawn: np.ndarray) -> None:
        """Give a weighting to each example by how often it is drawn.

        Parameters
        ----------
        which : int
            Below B. The others stay as they are; without weights nothing has a rank.
        drawn : int array [M]
            Positions of examples.
        """
        self._weight[:, which] = 0
        _count(drawn, self._place, self._weight, which)

    def products(self) -> Products:
        """Of all weightings."""
        columns, work = len(self._codes), pool.cores()
        ranges = list(itertools.pairwise(self._first))
        sums = np.zeros((len(self._pieces), 3, columns, columns, TOGETHER))

        def rank(v: int) -> None:
            _rank(self._codes[v], self._weight, 0, self._counts[slice(*ranges[v])])

        def multiply(piece: int) -> None:
            first, last = self._pieces[piece]
            overall = self._codes, self._first, self._counts
            inside = self._local, self._distinct[:, first:last]
            _sum_products(
                overall, inside, self._starts[first : last + 1], self._weight, *sums[piece]
            )

        with ThreadPoolExecutor(work) as threads:  # compiled loops let go of Python's lock
            list(threads.map(rank, range(columns)))
            list(threads.map(multiply, range(len(self._pieces))))
        return Products(*np.moveaxis(sums.sum(0), -1, 1))


def _pieces(starts: np.ndarray) -> list[tuple[int, int]]:
    """Classes first to last, such that pieces have about as many examples each.

    However many cores there are: what is summed in another order is rounded in another way.
    """
    ends = np.searchsorted(starts, np.linspace(0, starts[-1], PIECES + 1)[1:])
    bounds = np.unique(np.concatenate([[0], np.minimum(ends, len(starts) - 1)]))
    return [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]


def _codes(values: np.ndarray) -> np.ndarray:
    """Which of the distinct values, in ascending order, each is."""
    return np.unique(values, return_inverse=True)[1]


@compiled
def _count(drawn, place, weight, which):  # type: ignore[no-untyped-def]
    for example in drawn:
        weight[place[example], which] += 1


@compiled
def _rank(codes, weight, start, counts):  # type: ignore[no-untyped-def]
    """Of one column from `start` on: twice each value's rank less the middle's, in `counts`."""
    counts[:] = 0
    for n in range(len(codes)):
        for b in range(TOGETHER):
            counts[codes[n], b] += weight[start + n, b]
    total = np.zeros(TOGETHER, np.int32)
    for value in range(len(counts)):
        for b in range(TOGETHER):
            total[b] += counts[value, b]
    before = np.zeros(TOGETHER, np.int32)
    for value in range(len(counts)):
        for b in range(TOGETHER):
            here = counts[value, b]
            counts[value, b] = 2 * before[b] + here - total[b]
            before[b] += here


@compiled
def _look_up(codes, counts, weight, start, rank, weighted):  # type: ignore[no-untyped-def]
    """Ranks of a block of one column, and the same times the weights: float [block, B] each."""
    for n in range(len(codes)):
        for b in range(TOGETHER):
            rank[n, b] = counts[codes[n], b]
    for n in range(len(codes)):
        for b in range(TOGETHER):
            weighted[n, b] = rank[n, b] * weight[start + n, b]


@compiled
def _add_products(one, other, size, total):  # type: ignore[no-untyped-def]
    """Add the sum over a block; written out, for so it is done eight at a time."""
    a = b = c = d = e = f = g = h = 0.0
    for n in range(size):
        a += one[n, 0] * other[n, 0]
        b += one[n, 1] * other[n, 1]
        c += one[n, 2] * other[n, 2]
        d += one[n, 3] * other[n, 3]
        e += one[n, 4] * other[n, 4]
        f += one[n, 5] * other[n, 5]
        g += one[n, 6] * other[n, 6]
        h += one[n, 7] * other[n, 7]
    total[0] += a
    total[1] += b
    total[2] += c
    total[3] += d
    total[4] += e
    total[5] += f
    total[6] += g
    total[7] += h


@compiled
def _sum_products(  # type: ignore[no-untyped-def]
    overall, inside, starts, weight, plain, given, within
):
    codes, first, counts = overall
    local, distinct = inside
    columns = len(codes)
    longest = 0
    for v in range(columns):
        for c in range(len(starts) - 1):
            longest = max(longest, distinct[v, c])
    in_class = np.empty((columns, longest, TOGETHER), np.int32)
    last = columns - 1
    # One more row is 1 for every example: products with it are sums, and of the two the size.
    rank = np.ones((columns + 1, BLOCK, TOGETHER))
    weighted = np.ones((columns + 1, BLOCK, TOGETHER))
    product = np.zeros((columns + 1, columns + 1, TOGETHER))
    for c in range(len(starts) - 1):
        begin, end = starts[c], starts[c + 1]
        product[:] = 0.0
        for start in range(begin, end, BLOCK):
            size = min(BLOCK, end - start)
            for v in range(columns):
                some = codes[v, start : start + size]
                of_column = counts[first[v] : first[v + 1]]
                _look_up(some, of_column, weight, start, rank[v], weighted[v])
            for n in range(size):
                for b in range(TOGETHER):
                    weighted[columns, n, b] = weight[start + n, b]
            for v in range(columns + 1):
                for u in range(v + 1):
                    _add_products(weighted[v], rank[u], size, product[v, u])
        of_class = np.maximum(product[columns, columns], 1.0)
        for v in range(columns):
            for u in range(v + 1):
                mean = product[columns, u] / of_class
                plain[v, u] += product[v, u]
                given[v, u] += product[v, u] - product[columns, v] * mean
        product[:] = 0.0
        for v in range(columns):
            _rank(local[v, begin:end], weight, begin, in_class[v, : distinct[v, c]])
        for start in range(begin, end, BLOCK):
            size = min(BLOCK, end - start)
            for v in range(columns):
                some = local[v, start : start + size]
                _look_up(some, in_class[v], weight, start, rank[v], weighted[v])
            for v in range(columns):
                _add_products(weighted[v], rank[v], size, product[v, v])
                if v < last:
                    _add_products(weighted[v], rank[last], size, product[last, v])
        for v in range(columns):
            within[v, v] += product[v, v] / of_class**2
            if v < last:
                within[last, v] += product[last, v] / of_class**2
    for v in range(columns):
        for u in range(v):
            plain[u, v] = plain[v, u]
            given[u, v] = given[v, u]
            within[u, v] = within[v, u]
