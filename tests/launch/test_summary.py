"""The table of a sweep that grows."""

from pathlib import Path

import pandas as pd

from jagree.study import side_by_side
from jagree.sweep import summary


def test_a_table_keeps_the_rows_of_other_runs(tmp_path: Path) -> None:
    def of(*names: str) -> pd.DataFrame:
        for name in names:
            (tmp_path / name).mkdir(exist_ok=True)
        fields = [dict(field.split("=") for field in name.split(",")) for name in names]
        rows = [
            {"name": name, **{k: int(v) for k, v in f.items()}, "status": "done"}
            | side_by_side.row(tmp_path / name, {})
            for name, f in zip(names, fields, strict=True)
        ]
        return side_by_side.table(rows)

    kept, done = tmp_path / "sweep.csv", ",done" + "," * 12
    for bad in ("", "no table", "name\nseed=0\n", "name,status\na,b\nc,d,e,f\n", "\udcff"):
        kept.write_text(bad, errors="surrogateescape")
        pd.testing.assert_frame_equal(summary.together(kept, of("seed=0")), of("seed=0"))
    kept.unlink()
    pd.testing.assert_frame_equal(summary.together(kept, of("seed=0")), of("seed=0"))
    first = of("seed=0", "seed=1", "seed=2", "seed=3")
    first["status"] = "old"
    first.to_csv(kept, index=False)
    heads = kept.read_text().splitlines()[0]
    (tmp_path / "seed=3").rmdir()
    summary.together(kept, of("seed=1", "seed=4")).to_csv(kept, index=False)
    old = done.replace("done", "old")
    expected = [f"seed=0,0{old}", f"seed=2,2{old}", f"seed=1,1{done}", f"seed=4,4{done}"]
    assert kept.read_text().splitlines() == [heads, *expected]
    summary.together(kept, of("epochs=5,members=2")).to_csv(kept, index=False)
    head, *lines = kept.read_text().splitlines()
    assert head == heads.replace("name,seed,", "name,seed,epochs,members,")
    assert lines[0] == f"seed=0,0,,{old}"
    assert lines[-1] == f'"epochs=5,members=2",,5,2{done}'
