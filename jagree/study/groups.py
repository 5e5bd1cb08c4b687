"""Members in pairs, and in groups of five: which of them agree, and how sure agreement is.

Letters: K members, R groups.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from jagree.study import agreement, pairs
from jagree.study.epochs import Epoch
from jagree.study.kappa import consistency_of

GROUP = 5  # members, as in the paper's experiment with five times five
GROUPED = ("true_positive_agreement", "expected_random_agreement", "lower_bound")


def groups_of(networks: Sequence[str]) -> dict[str, list[np.ndarray]]:
    """Network -> consecutive groups of five of its members; of networks with two groups or more."""
    found = {}
    for network in dict.fromkeys(networks):
        members = np.flatnonzero(np.array(networks) == network)
        whole = len(members) // GROUP
        if whole > 1:
            found[network] = np.split(members[: GROUP * whole], whole)
    return found


class GroupTally:
    """Deviation of agreement over groups of members: the paper's five times five.

    Parameters
    ----------
    name : str
        Of the split.
    split : xarray.Dataset
        One split of a record, with the members that count.
    """

    def __init__(self, name: str, split: xr.Dataset) -> None:
        self._name = name
        self._groups = groups_of([str(n) for n in split["network"].values])
        self._rows: list[dict[str, object]] = []

    def add(self, epoch: Epoch) -> None:
        """Measure an epoch."""
        for network, groups in self._groups.items():
            in_groups = np.stack([epoch.correct[group] for group in groups])  # [R, 5, N]
            for measure in GROUPED:
                values = getattr(agreement, measure)(in_groups)
                self._rows.append(
                    {
                        "split": self._name,
                        "epoch": epoch.number,
                        "network": network,
                        "groups": len(groups),
                        "measure": measure,
                        "mean": float(values.mean()),
                        "std": float(values.std()),
                    }
                )

    def table(self) -> pd.DataFrame:
        """``split``, ``epoch``, ``network``, ``groups`` (R), ``measure``, ``mean``, ``std``.

        Mean and population standard deviation over R groups of five consecutive members of a
        network; nan where the measure of a group is. No row with fewer than ten members of it.
        Pliushch et al., ECCV 2022 (arXiv 2105.08997, v2), supplement B.
        """
        columns = ["split", "epoch", "network", "groups", "measure", "mean", "std"]
        return pd.DataFrame(self._rows, columns=columns)


class PairTally:
    """Agreement of each two members; parameters as for `GroupTally`."""

    def __init__(self, name: str, split: xr.Dataset) -> None:
        self._name = name
        self._members = split["member"].values.astype(int)
        self._networks = np.array([str(n) for n in split["network"].values])
        self._parts: list[pd.DataFrame] = []

    def add(self, epoch: Epoch) -> None:
        """Measure an epoch."""
        i, j = np.triu_indices(len(self._members), 1)
        n = epoch.correct.shape[-1]
        both = pairs.pair_counts(epoch.correct)
        same = pairs.same_answers(epoch.answer)
        columns = {
            "split": self._name,
            "epoch": epoch.number,
            "member_1": self._members[i],
            "member_2": self._members[j],
            "network_1": self._networks[i],
            "network_2": self._networks[j],
            "agreement": pairs.pair_agreement(both)[i, j],
            "error_consistency": consistency_of(both, np.array(n))[i, j],
            "same_answer": agreement.ratio(same[i, j], n),
        }
        self._parts.append(pd.DataFrame(columns))

    def table(self) -> pd.DataFrame:
        """A row per epoch and pair.

        ``split``, ``epoch``, ``member_1``, ``member_2``, their ``network_1`` and ``network_2``,
        ``agreement`` (true-positive agreement of the two), ``error_consistency``, and the share of
        examples to which both give the ``same_answer``, right or wrong.
        """
        columns = ["split", "epoch", "member_1", "member_2", "network_1", "network_2"]
        columns += ["agreement", "error_consistency", "same_answer"]
        return pd.concat(self._parts or [pd.DataFrame(columns=columns)], ignore_index=True)
