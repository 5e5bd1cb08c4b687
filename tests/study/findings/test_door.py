"""``python -m jagree.study.findings``: what a person sees."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree.study.findings import FINDINGS, HOLDS, UNTOLD, check, open_runs, printing
from jagree.study.findings.__main__ import run as door
from tests.study.findings.cases_of_data import CASES, LITTLE, on
from tests.study.findings.simulated import EXAMPLES, learning, nested, run
from tests.study.findings.test_evidence import record

PARTS = [("Training dynamics", 15), ("Image statistics", 26)]


def lines(text: str) -> list[str]:
    found = text.splitlines()
    assert max(map(len, found)) <= 100
    return found


def test_a_heading_per_finding_with_the_word_first_and_numbers_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door([str(record(tmp_path / "small"))]) == 0
    out, err = capsys.readouterr()
    found = lines(out)
    assert err == ""
    assert found[0] == "The paper's findings, checked on 1 run."
    assert found[1].startswith("  small: toy, ")
    start = next(i for i, line in enumerate(found) if "lies well above its chance" in line)
    assert found[start].startswith(("HOLDS", "DOES NOT HOLD", "CANNOT BE TOLD"))
    assert found[start + 1].startswith("  ")
    assert found[start + 2].startswith("    criterion: in no epoch 2 standard errors below chance")
    below = [line for line in found[start:] if line.startswith("    - ")]
    assert below[0].startswith("    - small; train: ")
    assert found[-1].startswith("Of 41 findings: holds: ")
    assert any(line.startswith("    no run on KTH-TIPS2b: kth_fall, ") for line in found)


def test_each_finding_is_printed_once() -> None:
    runs = [
        on("voc", name="voc"),
        on("kth_tips2b", name="kth"),
        on("imagenet", name="imagenet"),
        on("cifar10", LITTLE | {"entropy": np.full(EXAMPLES, 6.5)}, name="cifar10"),
    ]
    text = printing.report(runs, check(runs), PARTS)
    lines(text)
    squeezed = " ".join(text.split())
    for finding in FINDINGS:
        assert squeezed.count(f": {finding.sentence} [") == 1, finding.key
    assert "for want of data" not in text
    assert "CANNOT BE TOLD (" not in text
    assert "- cifar10; train, segments: holds; r = -" in squeezed
    assert "HOLDS: CIFAR-10: entropy is flat near 6.5 bits." in text


def test_findings_on_data_of_no_run_are_listed_at_the_end() -> None:
    runs = [run(learning(), name="toy")]
    text = printing.report(runs, check(runs), PARTS)
    lines(text)
    end = " ".join(text[text.index("CANNOT BE TOLD, for want of data") :].split())
    for finding in FINDINGS:
        assert (finding.key in end) == bool(finding.data)
    assert "IMAGE STATISTICS" not in text


def test_how_many_say_what_is_said_where_they_differ() -> None:
    runs = [on("cifar10", LITTLE | {"segments": np.ones(EXAMPLES)})]
    text = printing.report(runs, check(runs), PARTS)
    assert "DOES NOT HOLD (holds for 2 of 3 parts, does not hold for 1): CIFAR-10: segments" in text


def test_the_table_of_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = record(tmp_path / "small")
    assert door([str(folder), "--csv", str(tmp_path / "verdicts.csv")]) == 0
    table = pd.read_csv(tmp_path / "verdicts.csv", keep_default_na=False)
    assert list(table.columns) == [
        "finding", "overall", "source", "runs", "about", "verdict", "numbers", "why", "caveats",
        "sentence", "criterion", "needs",
    ]  # fmt: skip
    for finding in FINDINGS:
        (overall,) = table[table["finding"] == finding.key]["overall"].unique()
        verdicts = finding.verdicts(open_runs([folder]))
        assert overall == finding.overall(verdicts)
    assert set(table["finding"]) == {finding.key for finding in FINDINGS}
    told = table[table["verdict"] != UNTOLD]
    assert (told["why"] == "").all()
    assert (told["numbers"] != "").all()


def test_a_table_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "no" / "verdicts.csv"
    assert door([str(record(tmp_path / "a")), "--csv", str(target)]) == 2
    out, err = capsys.readouterr()
    assert err == f"jagree: --csv: cannot write '{target}' (No such file or directory)\n"
    assert out == ""


def test_a_missing_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert door([str(record(tmp_path / "a")), str(tmp_path / "nowhere")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("jagree: no record at ")
    assert err.count("\n") == 1


def test_a_record_without_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert door([str(record(tmp_path / "new", epochs=()))]) == 0
    out = capsys.readouterr().out
    lines(out)
    assert "no epoch yet, true labels" in out
    assert "- new: cannot be told (no epoch is recorded yet)" in out
    assert out.endswith("Of 41 findings: holds: 0, does not hold: 0, cannot be told: 41.\n")


def test_a_damaged_run_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = record(tmp_path / "damaged")
    (folder / "run.json").write_text('{"config": ')
    assert door([str(folder)]) == 0
    out = capsys.readouterr().out
    lines(out)
    assert "run.json is damaged or not jagree's, and not used" in out


def test_without_jax(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('jax', 'jaxlib', 'flax', 'optax', 'orbax'):\n"
        "    sys.modules[name] = None\n"
        "from jagree.study.findings.__main__ import run\n"
        "sys.exit(run([sys.argv[1]]))\n"
    )
    folder = record(tmp_path / "a")
    command = [sys.executable, "-c", code, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "Of 41 findings" in result.stdout


ODD = {
    "one epoch": learning()[:1],
    "one member": learning()[:, :1],
    "one example": learning()[..., :1],
    "nothing right": np.zeros((20, 2, EXAMPLES), bool),
    "all right": np.ones((20, 2, EXAMPLES), bool),
    "one is never right": nested(np.tile([0.0, 0.5], (20, 1))),
    "no example": learning()[..., :0],
    "twelve": nested(np.zeros((12, 12))),
}
DATA = ("toy", "voc", "kth_tips2b", "imagenet", "cifar10")


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("odd", ODD)
def test_odd_runs_break_nothing(odd: str, data: str) -> None:
    """Neither an error nor a warning, which the tests make one."""
    right = ODD[odd]
    n = right.shape[-1]
    constant = dict.fromkeys(("entropy", "segments", "dct_share", "labels", "box_area"), np.ones(n))
    columns = constant | {
        "edge_strength": np.full(n, np.nan),
        "search_difficulty": np.zeros(n),
        "scale": np.arange(n) % 2,
        "illumination": np.array(["frontal"] * n, object),
        "rotation": np.array(["frontal", "left"] * n, object)[:n],
        "human_entropy": np.zeros(n),
    }
    runs = [
        run(right, right, columns=columns, test_columns=columns, data=data, rate_drops=(8, 30)),
        run(right, name="b", data=data, networks=("resnet50",) * right.shape[1]),
        run(right, name="c", data=data, networks=("densenet121",) * right.shape[1]),
    ]
    text = printing.report(runs, check(runs), PARTS)
    lines(text)
    assert "nan" not in text


@pytest.mark.parametrize("key", ["order_of_bounds", "histograms_voc"])
def test_a_split_that_was_not_recorded(key: str) -> None:
    whole = run(learning(), learning(), data="voc")
    whole.record = {"test": whole.record["test"]}
    finding = next(f for f in FINDINGS if f.key == key)
    assert {v.word for v in finding.verdicts([whole])} == {UNTOLD}
    assert whole.label_noise == 0
    present = next(f for f in FINDINGS if f.key == "test_agreement")
    assert present.verdicts([whole])[0].word == HOLDS


def test_all_cases_together_can_be_printed() -> None:
    """Many runs at once, of all data."""
    runs = []
    for key, cases in CASES.items():
        for r in cases[0][2]():
            r.name = f"{key}-{len(runs)}"
            runs.append(r)
    lines(printing.report(runs[:40], check(runs[:40]), PARTS))
