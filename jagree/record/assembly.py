"""Putting the batches of one epoch together: each example of each member exactly once."""

from collections.abc import Mapping

import numpy as np


class EpochAssembly:
    """Collects what K members gave for the N examples of a split, in any order.

    Parameters
    ----------
    ids : str array [N]
        Named in the errors.
    members : int
        K.
    """

    def __init__(self, ids: np.ndarray, members: int) -> None:
        self._ids = ids
        self._seen = np.zeros((members, len(ids)), np.uint8)
        self._fields: dict[str, np.ndarray] = {}

    def put(self, index: np.ndarray, fields: Mapping[str, np.ndarray]) -> None:
        """Add one or more batches.

        Parameters
        ----------
        index : int array [M] or [K, M]
            Positions of the examples: the same for all members, or a row for each. -1 is padding
            and left out.
        fields : mapping of str to array [K, M, ...]
            The values; the names must be the same in each call.

        Raises
        ------
        ValueError
            If an example comes a second time for a member; nothing of the call is kept then.
        """
        members, size = self._seen.shape
        index = np.broadcast_to(index, (members, np.shape(index)[-1]))
        row, column = np.nonzero(index >= 0)
        example = index[row, column]
        count = np.bincount(row * size + example, minlength=members * size).reshape(members, size)
        total = self._seen + count
        if total.max(initial=0) > 1:
            raise ValueError(self._complaint("more than once", total > 1))
        for name, values in fields.items():
            if name not in self._fields:
                self._fields[name] = np.zeros((members, size, *values.shape[2:]), values.dtype)
            self._fields[name][row, example] = np.asarray(values)[row, column]
        self._seen = total.astype(np.uint8)

    def finish(self) -> dict[str, np.ndarray]:
        """The fields as arrays [K, N, ...].

        Raises
        ------
        ValueError
            If an example is missing for a member.
        """
        if not self._seen.all():
            raise ValueError(self._complaint("not at all", self._seen == 0))
        return self._fields

    def _complaint(self, how: str, where: np.ndarray) -> str:
        member, example = (int(i[0]) for i in np.nonzero(where))
        named = ", ".join(self._ids[where.any(0)][:5])
        return (
            f"{int(where.any(0).sum())} of {len(self._ids)} examples were recorded {how} in one "
            f"epoch (first: member {member}, '{self._ids[example]}'): {named}"
        )
