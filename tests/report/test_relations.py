"""What is said of effects and correlations, and of which."""

import numpy as np
import pandas as pd

from jagree.report.relations import Relations, correlation_tables, relations
from tests.report.pages import correlations, effects, moves


def plainly(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def one(**changes: pd.DataFrame) -> Relations:
    tables = {
        "effects": effects().iloc[:0],
        "moves": moves().iloc[:0],
        "correlations": correlations(),
    }
    (found,) = relations(**(tables | changes))
    return found


def test_the_strongest_correlation_over_examples_is_told_first() -> None:
    strongest, curve = map(plainly, one().honest)
    assert strongest == (
        "Of 2 numbers known of each image, entropy goes most closely with the epoch from which on "
        "a training image is agreed on for good: its rank correlation within classes is 0.30 (95 % "
        "interval 0.20 to 0.40; adjusted p < 0.001). Images with more of it are agreed on later. "
        "Given also DCT share, it is 0.12 (95 % interval -0.02 to 0.25; adjusted p = 0.040)."
    )
    assert curve == (
        "The paper's r, of curves over epochs, is largest for DCT share, 0.98, where the rank "
        "correlation is -0.01, and 0.9 or more, either way, for 1 of 2."
    )


def test_what_is_not_clear_is_not_told_as_a_finding() -> None:
    table = correlations().assign(p_adjusted=0.05)
    said = plainly(one(correlations=table).honest[0])
    assert said.startswith("Nothing known of the images goes clearly with the epoch")
    assert "The closest of 2 numbers is entropy" in said
    assert "later" not in said


def test_what_is_clear_goes_before_what_is_larger() -> None:
    """A statistic known of few examples may have the larger coefficient by chance."""
    table = correlations()
    larger = (table["statistic"] == "dct_share") & (table["kind"] == "within_class")
    table.loc[larger, ["coefficient", "p_adjusted"]] = [-0.6, 0.2]
    said = plainly(one(correlations=table).honest[0])
    assert said.startswith(
        "Of 2 numbers known of each image, entropy goes most closely with the epoch from which on "
        "a training image is agreed on for good, of those that clearly do: its rank correlation "
        "within classes is 0.30"
    )
    unclear = table.assign(p_adjusted=0.2)
    assert "The closest of 2 numbers is DCT share" in plainly(one(correlations=unclear).honest[0])


def test_a_negative_correlation_may_be_the_strongest() -> None:
    table = correlations()
    within = table["kind"] == "within_class"
    table.loc[within & (table["statistic"] == "dct_share"), ["coefficient", "p_adjusted"]] = [
        -0.6,
        1e-9,
    ]
    said = plainly(one(correlations=table).honest[0])
    assert said.startswith("Of 2 numbers known of each image, DCT share goes most closely with ")
    assert "is -0.60 (95 %" in said
    assert "Images with more of it are agreed on earlier." in said
    unclear = table.assign(p_adjusted=0.5)
    assert "The closest of 2 numbers is DCT share" in plainly(one(correlations=unclear).honest[0])


def test_what_is_clear_but_weak_is_called_so() -> None:
    table = correlations()
    table["coefficient"] /= 10
    assert "are agreed on slightly later." in one(correlations=table).honest[0]


def test_what_was_assigned_is_no_statistic() -> None:
    """Beside effects the strongest correlation would be that of a factor."""
    table = correlations()
    table["statistic"] = table["statistic"].replace("entropy", "noise")
    found = one(correlations=table, effects=effects())
    assert "closest of 1 number is DCT share" in plainly(found.honest[0])


def test_effects_are_told_the_strongest_first() -> None:
    found = one(effects=effects(), moves=moves())
    assert [name for name, _ in found.effects] == ["contrast", "noise", "shape size"]
    said = [plainly(does) for _, does in found.effects]
    assert said == [
        "(25 to 80) brings agreement forward by 2.50 epochs (2.00 to 3.00; adjusted p < 0.001).",
        "(0 to 55 grey levels) delays agreement by 1.50 epochs (1.00 to 2.00; adjusted p < 0.001).",
        "(15 to 22 pixels) has no clear trend: 0.10 epochs (-0.30 to 0.50; adjusted p = 0.600).",
    ]
    assert plainly(found.assigned).startswith("3 factors of the training images were drawn")
    assert plainly(found.assigned).endswith(
        "The effects are on the time up to the end of the run: 25.0 % of the images are not agreed "
        "on by then and count as learned in the epoch after."
    )
    assert "smaller" not in found.assigned


def test_an_interval_is_told_in_the_direction_of_its_sentence() -> None:
    """An effect may be clear by its p although its interval, from resamples, just has 0 in it."""
    row = ("train", "noise", "", 0.0, 1.0, -1.5, -3.0, 0.1, 0.03, 0.03, 500, 0.0)
    ((_, does),) = one(effects=effects(row)).effects
    assert "forward by 1.50 epochs (-0.10 to 3.00;" in plainly(does)


def test_a_factor_that_does_not_vary() -> None:
    nothing = ("train", "noise", "", 1.0, 1.0, *[np.nan] * 5, 500, 0.0)
    found = one(effects=effects(nothing))
    assert found.effects == [("noise", "(1 to 1) has no effect that could be told.")]
    assert "at the end" not in found.assigned


def test_what_the_most_moved_statistic_suggests() -> None:
    found = {k: plainly(v) for k, v in one(effects=effects(), moves=moves()).suggested}
    assert found["noise"].startswith("moves entropy most, by -2.00 standard deviations")
    assert found["noise"].endswith("-0.80 epochs (-1.00 to -0.60), the opposite of its effect.")
    assert found["contrast"].endswith("suggests 0.08 epochs (-1.00 to 1.00).")
    assert list(found) == ["contrast", "noise"]


def test_suggestions_are_compared_with_the_effect() -> None:
    def said(
        low: float, high: float, effect_low: float, effect_high: float, p: float = 0.001
    ) -> str:
        assigned = effects().assign(p_adjusted=p)
        table = (
            moves()
            .iloc[1:2]
            .assign(
                suggested=(low + high) / 2,
                suggested_low=low,
                suggested_high=high,
                effect=(effect_low + effect_high) / 2,
                effect_low=effect_low,
                effect_high=effect_high,
            )
        )
        return dict(one(effects=assigned, moves=table).suggested)["noise"].split(")")[-1]

    assert said(1, 2, 1.4, 2.2) == ", much as its effect."
    assert said(-2, -1, -2.2, -1.4) == ", much as its effect."
    assert said(1, 2, 1.9, 9) == ", not told apart from its effect."
    assert said(1, 2, 1.4, 9) == ", not told apart from its effect."
    assert said(1, 9, 1.4, 2.2) == ", not told apart from its effect."
    assert said(1, 2, 3, 4) == ", less than its effect."
    assert said(-4, -3, -2, -1) == ", more than its effect."
    assert said(1, 2, -2, -1) == ", the opposite of its effect."
    assert said(-1, 2, 3, 4) == "."
    assert said(-1, 4, 3, 5) == ", not told apart from its effect."
    assert said(-1, 4, -5, -0.5) == ", not told apart from its effect."


def test_both_sentences_on_a_factor_call_the_same_effect_clear() -> None:
    """By p adjusted for the number of factors, not by the interval of one."""
    row = ("train", "noise", "", 0.0, 1.0, 1.5, 0.1, 2.9, 0.04, 0.05, 500, 0.0)
    found = one(effects=effects(row), moves=moves().iloc[1:2])
    assert "has no clear trend" in found.effects[0][1]
    assert found.suggested[0][1].endswith(", where there is no clear trend.")
    clear = effects((*row[:9], 0.049, *row[10:]))
    found = one(effects=clear, moves=moves().iloc[1:2].assign(effect_low=-0.1))
    assert "delays agreement" in found.effects[0][1]
    assert found.suggested[0][1].endswith(", the opposite of its effect.")
    unknown = effects((*row[:5], *[np.nan] * 5, *row[10:]))
    found = one(effects=unknown, moves=moves().iloc[1:2].assign(effect=np.nan))
    assert plainly(found.suggested[0][1]).endswith("epochs (-1.00 to -0.60).")


def test_a_statistic_has_a_row_with_all_kinds() -> None:
    (table,) = correlation_tables(correlations())
    texts = [[plainly(cell.text) for cell in row] for row in table.rows]
    assert texts[0] == [
        "entropy (bit)",
        "0.30 (0.20 to 0.40)",
        "< 0.001",
        "0.12 (-0.02 to 0.25)",
        "0.040",
        "0.40 (0.30 to 0.50)",
        "< 0.001",
        "-0.550",
        "500",
    ]
    values = [cell.value for cell in table.rows[1]]
    assert values == [None, "-0.01", "0.9", "", "", "-0.02", "0.8", "0.98", "500"]


def test_without_statistics_nothing_is_said() -> None:
    nothing = correlations().iloc[:0]
    assert relations(effects().iloc[:0], moves().iloc[:0], nothing) == []
