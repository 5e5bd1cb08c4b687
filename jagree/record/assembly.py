"""Putting the batches of one epoch together: each example of each member exactly once."""

from collections.abc import Mapping

import numpy as np

_SEEN = "seen"  # beside the fields: uint8 [K, N], 1 where the example is there


class EpochAssembly:
    """Collects what K members gave for the N examples of a split, in any order.

    Parameters
    ----------
    ids : str array [N]
        Named in the errors.
    members : int
        K.
    gathered : mapping of str to array
        Of an earlier one, to go on from; copied.
    """

    def __init__(
        self, ids: np.ndarray, members: int, gathered: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self._ids = ids
        fields = {name: values.copy() for name, values in (gathered or {}).items()}
        self._seen = fields.pop(_SEEN, np.zeros((members, len(ids)), np.uint8))
        self._fields: dict[str, np.ndarray] = fields

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
        # Looked up, rather than counted over all N: a batch costs what it is, whatever the split.
        place = np.sort(row * size + example)
        if (place[1:] == place[:-1]).any() or self._seen[row, example].any():
            count = np.bincount(place, minlength=members * size).reshape(members, size)
            raise ValueError(self._complaint("more than once", self._seen + count > 1))
        for name, values in fields.items():
            if name not in self._fields:
                self._fields[name] = np.zeros((members, size, *values.shape[2:]), values.dtype)
            self._fields[name][row, example] = np.asarray(values)[row, column]
        self._seen[row, example] = 1

    @property
    def complete(self) -> bool:
        """Whether every example is there for every member."""
        return bool(self._seen.all())

    @property
    def gathered(self) -> dict[str, np.ndarray]:
        """A copy of what is there, to go on from: the fields, and which examples were seen."""
        return {_SEEN: self._seen.copy()} | {n: v.copy() for n, v in self._fields.items()}

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
