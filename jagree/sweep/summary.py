"""The table of a sweep, which grows with each command."""

from pathlib import Path

import pandas as pd


def together(old: Path, new: pd.DataFrame) -> pd.DataFrame:
    """A sweep's table with the rows that earlier commands left of other runs, these first.

    Parameters
    ----------
    old : Path
        The table there is, beside the runs' folders. None, or one that cannot be read, has no rows;
        nor has a run whose folder is gone.
    new : DataFrame
        Of the runs of this command, as `jagree.study.side_by_side.table` gives it.

    Returns
    -------
    DataFrame
        Fields that one of the commands did not vary are empty in its rows.
    """
    try:
        before = pd.read_csv(old, dtype=str, keep_default_na=False)
        ours = set(new["name"])
        others = [n not in ours and (old.parent / n).is_dir() for n in before["name"]]
        varied = before.columns[: list(before.columns).index("status")]
    except (OSError, ValueError, KeyError):
        return new
    if not any(others):
        return new
    status = list(new.columns).index("status")
    columns = dict.fromkeys([*varied, *new.columns[:status], *new.columns[status:]])
    return pd.concat([before[others], new.astype(object)], ignore_index=True)[list(columns)]
