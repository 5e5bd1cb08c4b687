"""All figures of a study, each with its title and what is said of it."""

from collections.abc import Callable, Iterable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from jagree.figures.agreement import draw_agreement
from jagree.figures.classes import MOST_CLASSES, draw_class_shares
from jagree.figures.correlations import draw_correlations
from jagree.figures.curves import draw_curves
from jagree.figures.data_map import MOST_POINTS, draw_data_map
from jagree.figures.density import draw_density
from jagree.figures.drawn import Drawn
from jagree.figures.groups import draw_groups
from jagree.figures.naming import paper_first, units_of
from jagree.figures.pabak import draw_pabak
from jagree.figures.palette import SAFE, Palette
from jagree.figures.responses import draw_responses
from jagree.figures.right_counts import draw_right_counts
from jagree.figures.style import NothingToDrawError
from jagree.figures.types import draw_types
from jagree.figures.wall import Pictures, draw_wall
from jagree.study.whole import Study
from jagree.words import adjective


def draw_study(
    study: Study, images: Mapping[str, Pictures], palette: Palette = SAFE
) -> dict[str, Drawn]:
    """Every figure that a study has the tables for.

    Parameters
    ----------
    study : Study
        As `jagree.study.whole.study_record` gives it.
    images : mapping of str to Pictures
        Of the splits whose images are at hand, in the order of their examples; only those shown are
        taken.
    palette : Palette

    Returns
    -------
    dict of str to Drawn
        The stem of a file to its figure; ``agreement`` first. Those of one split end in its name,
        such as ``curves_train``. What a table has nothing for is left out.

    Raises
    ------
    UsageError
        If no epoch is recorded, or an image cannot be read.
    ValueError
        If a split has not as many images as examples.
    """
    first = draw_agreement(study.agreement, palette)
    found = {"agreement": Drawn("Agreement", _AGREEMENT, first)}
    _add(
        found, "pabak", "Agreement and PABAK", _PABAK, lambda: draw_pabak(study.agreement, palette)
    )
    _add(found, "groups", "Deviation of agreement", _GROUPS,
         lambda: draw_groups(study.groups, palette))  # fmt: skip
    for split in study.examples:
        _add_learned(found, study, split, palette)
    for split in study.examples:
        _add_statistics(found, study, split, palette)
    _add(found, "correlations", "Statistics and the order of learning", _CORRELATIONS,
         lambda: draw_correlations(study.correlations, palette))  # fmt: skip
    for split, examples in study.examples.items():
        _add_responses(found, study, split, palette)
        _add_examples(found, examples, images.get(split), split, palette)
    return found


def stems(splits: Iterable[str]) -> list[str]:
    """The name of every figure that a run with these splits can have."""
    by_split = "right_counts classes curves types density responses wall data_map histograms panel"
    of_all = ["agreement", "pabak", "groups", "correlations"]
    return of_all + [f"{name}_{split}" for split in splits for name in by_split.split()]


def _add(
    found: dict[str, Drawn], stem: str, title: str, caption: str, draw: Callable[[], Figure]
) -> None:
    try:
        figure = draw()
    except NothingToDrawError:
        return
    found[stem] = Drawn(title, caption, figure)


def _add_learned(found: dict[str, Drawn], study: Study, split: str, palette: Palette) -> None:
    """What needs no statistics."""
    kind = adjective(split)
    _add(
        found,
        f"right_counts_{split}",
        f"How many networks are right, {kind}",
        _RIGHT_COUNTS.format(kind=kind),
        lambda: draw_right_counts(study.right_counts, split, palette),
    )
    _add(
        found,
        f"classes_{split}",
        f"Classes agreed on, {kind}",
        _CLASSES.format(kind=kind) + _rest_of_classes(study.classes),
        lambda: draw_class_shares(study.classes, split, palette),
    )


def _rest_of_classes(classes: pd.DataFrame) -> str:
    if classes["class"].nunique() <= MOST_CLASSES:
        return ""
    return (
        f" The {MOST_CLASSES} classes whose share changes most have a colour; the others are grey."
    )


def _add_statistics(found: dict[str, Drawn], study: Study, split: str, palette: Palette) -> None:
    """What image statistics and metadata make of learning."""
    kind = adjective(split)
    _add(
        found,
        f"curves_{split}",
        f"Image statistics of what is agreed on, {kind}",
        _CURVES.format(kind=kind),
        lambda: draw_curves(study.curves, study.agreement, study.correlations, split, palette),
    )
    _add(
        found,
        f"types_{split}",
        f"Agreement by type, {kind}",
        _TYPES.format(kind=kind),
        lambda: draw_types(study.types, split, palette),
    )
    mine = study.correlations[study.correlations["split"] == split]
    _add(
        found,
        f"density_{split}",
        f"Image statistics and the epoch of agreement, {kind}",
        _DENSITY.format(kind=kind),
        lambda: draw_density(
            study.examples[split],
            paper_first(mine["statistic"]),
            palette,
            units=units_of(mine),
        ),
    )


def _add_responses(found: dict[str, Drawn], study: Study, split: str, palette: Palette) -> None:
    kind = adjective(split)
    _add(
        found,
        f"responses_{split}",
        f"What factors do to learning, {kind}",
        _RESPONSES.format(kind=kind),
        lambda: draw_responses(study.responses, study.effects, split, palette),
    )


def _add_examples(
    found: dict[str, Drawn],
    examples: pd.DataFrame,
    images: Pictures | None,
    split: str,
    palette: Palette,
) -> None:
    kind = adjective(split)
    if images is not None:
        _add(
            found,
            f"wall_{split}",
            f"Learning order, {kind}",
            _WALL.format(kind=kind),
            lambda: draw_wall(examples, images, palette),
        )
    sampled = f" A random {MOST_POINTS:,} of them." if len(examples) > MOST_POINTS else ""
    _add(
        found,
        f"data_map_{split}",
        f"Data map, {kind}",
        _DATA_MAP.format(kind=kind) + sampled,
        lambda: draw_data_map(examples, palette),
    )


_AGREEMENT = (
    "Mean accuracy of the networks with a band of one standard deviation, and agreement: of the "
    "examples that at least one network gets right, the share that all get right. The area "
    "reaches down to the lower bound that the accuracies force. Dashed: the agreement of "
    "independent networks of the same accuracies; dotted: of the same accuracies in each class. "
    "Agreement means something as far as it lies above the dotted line."
)
_PABAK = (
    "Agreement, what of it independent networks of the same accuracies would have (expected "
    "random agreement, ERA: all right, as a share of all examples), the lower bound (LB), and "
    "PABAK, which counts that two networks are both right or both wrong. PABAK read on the left "
    "axis is the share of examples on which two networks are so, on average; a U means that they "
    "first agree on being wrong."
)
_GROUPS = (
    "Networks in groups of five: mean over the groups with a band of one standard deviation "
    "above, the deviation itself below. A small deviation says that five networks are enough to "
    "measure agreement."
)
_RIGHT_COUNTS = (
    "How many networks are right on how many of the {kind} examples, in a few epochs. The dashed "
    "line is what independent networks of the same accuracies would give; networks that learn "
    "the same examples are more often all right or all wrong than that."
)
_CLASSES = (
    "Of the {kind} examples agreed on, the share that is of each class. The triangles at the "
    "right are the classes' shares of all examples: a line above its triangle is a class learned "
    "early."
)
_CURVES = (
    "Mean of each image statistic over the {kind} examples that all networks get right (dashed), "
    "and agreement (solid), over the epochs that the paper's first version shows: not the first "
    "five, and from a mean accuracy of 20 % on. r is Pearson's correlation of the two curves, in "
    "brackets where its p is above 0.001, as the paper prints it. Two curves that both have a "
    "trend correlate whatever the reason: see the correlations over examples."
)
_TYPES = (
    "Of all {kind} examples of each type, the share that all networks get right. A higher line "
    "is a type that is agreed on sooner."
)
_DENSITY = (
    "How many {kind} examples lie where, by an image statistic and the epoch from which on all "
    "networks get them right; to the right those that never get there. The line joins the "
    "medians. A line that rises says that high values are learned later. The outermost 0.5 % of "
    "values at either end lie beyond the axis."
)
_CORRELATIONS = (
    "Spearman's rank correlation of each image statistic with the epoch from which on an example "
    "is agreed on, with 95 % intervals: over all examples, within classes, and given the class "
    "and the paper's other statistics. To the right of 0, high values are learned later. Hollow "
    "markers are not significant (p 0.05 or more, adjusted for the number of statistics)."
)
_RESPONSES = (
    "Mean epoch from which on {kind} examples are agreed on, by the value of each factor that "
    "was assigned at random; examples that are never agreed on count as learned in the epoch after "
    "the last. Above each panel is the effect in epochs from the least value to the largest. "
    "Values were drawn at random for each example, so what differs between doses is caused by the "
    "factor, but for chance (intervals: 95 %)."
)
_WALL = (
    "The {kind} images in the order in which they are agreed on, to be read like text, at evenly "
    "spaced places of the order, so that the wall is the whole split in small. To the left are "
    "the epochs from which on a row's images are agreed on, or that they never are."
)
_DATA_MAP = (
    "The {kind} examples by how sure the networks are of the label (confidence) and how much "
    "that varies over epochs, coloured by how often it is right. Top left is what is easy to "
    "learn, right what is ambiguous, bottom left what is hard to learn, where wrong labels "
    "gather."
)
