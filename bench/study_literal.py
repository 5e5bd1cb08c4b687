"""The paper's quantities as one would first write them down: everything in memory, then loops.

What it stands for. Networks are trained one after the other and their predictions kept; when all
are trained, those of all epochs and networks are in memory together, and for each epoch a loop over
the examples finds the ones that all networks get right and looks their statistics up by name.
`literal` is that: one array of predictions, of int64, the type in which PyTorch's argmax gives
them; per epoch and network a Python list of the names of the examples that are right; per statistic
a dict from name to value. It is written from the paper's definitions. The authors' published code
was not read for it, so no figure here is a measurement of that code.

`arrays` is the same without the loops: the same array in memory, and each formula one expression of
NumPy over all epochs. It is no one's published code, but what a careful person would write who
need not mind memory; without it the comparison would be one with Python's loops.

What they leave out. Reading images, training and pickled files (both read the record that jagree
reads, which is less work than unpickling lists of Python's numbers), figures, and what departs from
the paper in the authors' code, as zeros where no example is agreed on: here, too, that is no value.
They compute the accuracy of each member, agreement, its lower bound, the curve of each statistic
over the examples agreed on, and Pearson's r of both over the epochs that version 2 shows.

Letters: E epochs, K members, N examples, S statistics.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats


@dataclass(frozen=True)
class Paper:
    """The paper's quantities of one split.

    Attributes
    ----------
    accuracies : float array [E, K]
    agreement, lower_bound : float array [E]
    curves : mapping of str to float array [E]
    r : mapping of str to float
    """

    accuracies: np.ndarray
    agreement: np.ndarray
    lower_bound: np.ndarray
    curves: Mapping[str, np.ndarray]
    r: Mapping[str, float]

    @property
    def flat(self) -> dict[str, np.ndarray]:
        """All numbers by name, to be compared."""
        numbers = {
            "accuracies": self.accuracies,
            "agreement": self.agreement,
            "lower_bound": self.lower_bound,
        }
        numbers |= {f"curve of {name}": curve for name, curve in self.curves.items()}
        return numbers | {f"r of {name}": np.array(r) for name, r in self.r.items()}


def literal(split: xr.Dataset, statistics: xr.Dataset) -> Paper:
    """Of one split of a record, by loops over examples."""
    prediction, label, names = _in_memory(split)
    values = {
        str(statistic): dict(zip(statistics["id"].values.tolist(), column.values, strict=True))
        for statistic, column in statistics.items()
    }
    labels = label.tolist()
    epochs, members, examples = prediction.shape
    accuracies = np.zeros((epochs, members))
    agreement, bound = np.zeros(epochs), np.zeros(epochs)
    curves = {statistic: np.zeros(epochs) for statistic in values}
    for e in range(epochs):
        right: list[list[str]] = []
        for k in range(members):
            given = zip(names, prediction[e, k].tolist(), labels, strict=True)
            right.append([name for name, guess, truth in given if guess == truth])
            accuracies[e, k] = len(right[k]) / examples
        in_all, in_any = set(right[0]).intersection(*right[1:]), set().union(*right)
        agreement[e] = len(in_all) / len(in_any) if in_any else np.nan
        bound[e] = 1 - min(sum(1 - a for a in accuracies[e]), 1)
        agreed = [name for name in names if name in in_all]
        for statistic, value in values.items():
            looked_up = [value[name] for name in agreed]
            curves[statistic][e] = np.mean(looked_up) if looked_up else np.nan
    return _with_r(split, accuracies, agreement, bound, curves)


def arrays(split: xr.Dataset, statistics: xr.Dataset) -> Paper:
    """The same by expressions over all epochs."""
    prediction, label, _ = _in_memory(split)
    correct = prediction == label
    accuracies = correct.mean(-1)
    agreed = correct.all(1)
    agreement = agreed.sum(-1) / correct.any(1).sum(-1)
    bound = 1 - np.minimum((1 - accuracies).sum(-1), 1)
    curves = {
        str(statistic): np.array([column.values[of_epoch].mean() for of_epoch in agreed])
        for statistic, column in statistics.items()
    }
    return _with_r(split, accuracies, agreement, bound, curves)


def _in_memory(split: xr.Dataset) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Predictions of all epochs, int64 [E, K, N]; labels; names."""
    shape = tuple(split.sizes[axis] for axis in ("epoch", "member", "example"))
    prediction = np.empty(shape, np.int64)
    for e in range(shape[0]):
        prediction[e] = split["prediction"].isel(epoch=e).values
    return prediction, split["label"].values.astype(np.int64), split["id"].values.tolist()


def _with_r(
    split: xr.Dataset,
    accuracies: np.ndarray,
    agreement: np.ndarray,
    bound: np.ndarray,
    curves: Mapping[str, np.ndarray],
) -> Paper:
    shown = (split["epoch"].values >= 6) & (agreement >= 0.2)
    r = {
        statistic: float(stats.pearsonr(agreement[shown], curve[shown]).statistic)
        for statistic, curve in curves.items()
    }
    return Paper(accuracies, agreement, bound, curves, r)
