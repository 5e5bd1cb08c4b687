"""The maps of a figure are those that the table's numbers were taken of."""

from pathlib import Path

import pytest

from jagree.configs import default
from jagree.data.sources.controlled import load
from jagree.statistics.maps import maps_of
from jagree.statistics.table import table


@pytest.mark.parametrize(("jpeg75", "resize"), [(False, 0), (True, 0), (True, 24)])
def test_the_numbers_of_the_table_are_those_of_the_maps(
    jpeg75: bool, resize: int, tmp_path: Path
) -> None:
    config = default.get_config()
    config.statistics.jpeg75 = jpeg75
    config.statistics.resize = resize
    config.data.train_size = 4
    config.statistics.workers = 1
    split = load("train", config.data)
    measured = table(split, config.statistics, store=tmp_path)
    for position in (0, 3):
        maps = maps_of(split.image[position], str(split.id[position]), config.statistics)
        row = measured.isel(example=position)
        assert maps.edges.sum() == pytest.approx(row["edge_strength"].item())
        assert maps.segments.max() + 1 == row["segments"]
        assert maps.entropy.mean() == pytest.approx(row["entropy"].item())
        assert maps.dct_share == row["dct_share"]
        assert maps.dct.shape == ((resize or 32, resize or 32))
