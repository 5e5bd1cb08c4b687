"""Image statistics beside what was learned: summaries, and the join by id."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from jagree.errors import UsageError


def statistics_table(tables: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """How each numeric statistic is distributed.

    Parameters
    ----------
    tables : mapping of str to xarray.Dataset
        Per split, as `jagree.statistics.table` gives it.

    Returns
    -------
    pandas.DataFrame
        One row per split and statistic: ``split``, ``statistic``, ``units``, ``examples`` (those
        that have a value), ``without_value``, ``mean``, ``std`` (with n - 1), ``min``,
        ``quartile_1``, ``median``, ``quartile_3``, ``max``; nan where no example has a value.
        Fractions lie in 0..1.
    """
    rows: list[dict[str, Any]] = []
    for split, dataset in tables.items():
        for name, variable in dataset.data_vars.items():
            if variable.dtype.kind not in "iufb":
                continue  # categories have no mean
            values = variable.values.astype(np.float64)
            known = values[~np.isnan(values)]
            quantiles = np.quantile(known, [0, 0.25, 0.5, 0.75, 1]) if known.size else [np.nan] * 5
            rows.append(
                {
                    "split": split,
                    "statistic": name,
                    "units": variable.attrs.get("units", ""),
                    "examples": known.size,
                    "without_value": values.size - known.size,
                    "mean": known.mean() if known.size else np.nan,
                    "std": known.std(ddof=1) if known.size > 1 else np.nan,
                    **dict(
                        zip(
                            ("min", "quartile_1", "median", "quartile_3", "max"),
                            quantiles,
                            strict=True,
                        )
                    ),
                }
            )
    return pd.DataFrame(rows)


def with_statistics(examples: pd.DataFrame, statistics: xr.Dataset) -> pd.DataFrame:
    """Examples with their statistics, joined by id.

    Parameters
    ----------
    examples : pandas.DataFrame
        With a column ``id``, as `jagree.study.example_table` gives it.
    statistics : xarray.Dataset
        Of the same split.

    Returns
    -------
    pandas.DataFrame
        The rows of `examples`, in their order, with one more column per statistic.

    Raises
    ------
    UsageError
        If an example has no statistics.
    """
    columns = {str(name): v.values for name, v in statistics.data_vars.items()}
    found = pd.DataFrame(columns, copy=False)
    measured, asked = pd.Index(statistics["id"].values), pd.Index(examples["id"])
    if not measured.equals(asked):  # usually both are all of a split, in its order
        position = measured.get_indexer(asked)
        missing = asked[position < 0]
        if len(missing):
            raise UsageError(
                f"{len(missing)} examples have no image statistics, '{missing[0]}' for one; "
                "measure the data that was recorded (stage 'statistics')"
            )
        found = found.iloc[position].reset_index(drop=True)
    return pd.concat([examples.reset_index(drop=True), found], axis=1)


def check_same_data(split: xr.Dataset, statistics: xr.Dataset) -> None:
    """Raise a UsageError unless record and statistics are of the same data."""
    recorded, measured = (str(d.attrs["fingerprint"]) for d in (split, statistics))
    if recorded != measured:
        raise UsageError(
            f"the statistics of '{statistics.attrs['split']}' were measured on other data than was "
            f"recorded (fingerprint {measured[:12]}, recorded {recorded[:12]}); run the stage "
            "'statistics' again"
        )
