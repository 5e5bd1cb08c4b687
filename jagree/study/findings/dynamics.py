"""Findings on training dynamics that a run shows by itself: chance, bounds, PABAK, the test set.

Letters: E epochs, K members.
"""

from __future__ import annotations

import numpy as np

from jagree.study.chance import standard_error
from jagree.study.curves import pearson
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.observed import ABOVE_GUESSING, Observed
from jagree.study.findings.verdicts import Finding, Judgement, each, each_run
from jagree.study.groups import GROUP, GROUPED
from jagree.words import counted

FEWEST_EPOCHS = 10  # for what is said of the course of a curve, or of a mean over epochs
FEWEST_PRESENT = 3  # epochs, for what may be seen in one of them
ROUNDING = 1e-9  # by which a curve must lie above another to be above it
BELOW_ERRORS = 2.0  # standard errors: agreement this far below chance is clearly below
WELL_ABOVE = 0.05  # mean gap between agreement and its chance level
LEVELLED = 0.95  # of its maximum: accuracy levels off where it first reaches that
PRESENT = 0.02  # agreement above its chance level, where the gap is widest
CLEAR_ERRORS = 4.0  # standard errors that the widest of many gaps must have
EXPECTED = 10.0  # examples that independent members all get right; fewer are a matter of luck
SMALL_STD = 0.02  # std over groups of members, mean over epochs
SLOW = 0.4  # accuracy after the first epoch, below which it grows slowly: our reading
PAST_HALF = 0.6  # last accuracy: PABAK can only fall until accuracy passes 0.5
DEEP = 0.02  # by which both ends of a U lie above its bottom
ALIKE = 0.9  # r of two curves that look the same

NOTHING_LEARNED = "there is no epoch in which all members have learned something"
TRAIN_AND_TWO = "a run with two members or more"


def bounds_at(observed: Observed, position: int) -> str:
    """Agreement at an epoch beside all that it may be compared with."""
    value = {name: curve[position] for name, curve in observed.measures.items()}
    return (
        f"agreement {value['true_positive_agreement']:.3f}, its chance level "
        f"{value['chance_agreement']:.3f}, within classes {value['chance_within_classes']:.3f}, "
        f"ERA {value['expected_random_agreement']:.3f}, LB {value['lower_bound']:.3f} "
        f"(epoch {observed.epoch[position]})"
    )


def chance_gap(observed: Observed) -> np.ndarray:
    """Agreement minus its chance level within classes, float [E]; nan where nothing is right.

    Within classes, because members that prefer the same classes lie above the other chance level
    without finding the same examples easy.

    Raises
    ------
    CannotTellError
        If there is one member only, or nothing is right in any epoch.
    """
    gap = observed.measure("true_positive_agreement") - observed.measure("chance_within_classes")
    if np.isnan(gap).all():
        raise CannotTellError("no member gets any example right")
    return gap


def chance_error(observed: Observed) -> np.ndarray:
    """Standard error that agreement has at its chance level: float [E], nan where that is nan.

    See `jagree.study.chance.standard_error`.
    """
    return standard_error(observed.measure("chance_within_classes"), observed.union)


def presence(observed: Observed) -> Judgement:
    """Whether agreement is clearly above its chance level within classes in some epoch."""
    gap, error, learned = chance_gap(observed), chance_error(observed), have_learned(observed)
    seen = learned & is_present(observed)
    among = next((some for some in (seen, learned) if some.any()), np.full(len(gap), True))
    widest = int(np.nanargmax(np.where(among, gap, -np.inf)))
    numbers = f"widest gap {gap[widest]:.3f} ± {error[widest]:.3f}: {bounds_at(observed, widest)}"
    need_epochs(len(observed.epoch), numbers, FEWEST_PRESENT)
    if not learned.any():
        raise CannotTellError(NOTHING_LEARNED, numbers)
    return bool(seen.any()), numbers


def is_present(observed: Observed) -> np.ndarray:
    """Epochs in which agreement is clearly above its chance level within classes: bool [E]."""
    present: np.ndarray = chance_gap(observed) >= np.fmax(
        PRESENT, CLEAR_ERRORS * chance_error(observed)
    )
    return present


def have_learned(observed: Observed) -> np.ndarray:
    """Epochs after which every member is clearly better than one that guesses: bool [E]."""
    learned: np.ndarray = np.all(observed.accuracy >= observed.learned, axis=1)
    return learned


def _above_chance(observed: Observed) -> Judgement:
    gap = chance_gap(observed)
    shaded = observed.measure("true_positive_agreement") - observed.measure("lower_bound")
    widest, widest_shaded = int(np.nanargmax(gap)), int(np.nanargmax(shaded))
    accuracy = observed.measure("accuracy_mean")
    level = int(np.argmax(accuracy >= LEVELLED * accuracy.max()))
    above = int((gap > ROUNDING).sum())
    below = int((gap < -BELOW_ERRORS * chance_error(observed)).sum())
    numbers = (
        f"above chance in {above} of {len(gap)} epochs, clearly below in {below}, above by "
        f"{np.nanmean(gap):.3f} on average; the gap to chance, which decides, is widest in epoch "
        f"{observed.epoch[widest]} ({gap[widest]:.3f}), that to LB in epoch "
        f"{observed.epoch[widest_shaded]} ({shaded[widest_shaded]:.3f}); accuracy levels off in "
        f"epoch {observed.epoch[level]}; {bounds_at(observed, widest)}"
    )
    need_epochs(len(observed.epoch), numbers)
    return bool(not below and np.nanmean(gap) >= WELL_ABOVE and widest <= level), numbers


def _above_accuracy(observed: Observed) -> Judgement:
    more = observed.measure("true_positive_agreement") - observed.measure("accuracy_mean")
    learned = have_learned(observed)
    if not learned.any():
        raise CannotTellError(NOTHING_LEARNED)
    seen = (more > 0) & is_present(observed) & learned
    most = int(np.nanargmax(np.where(seen if seen.any() else learned, more, -np.inf)))
    numbers = (
        f"agreement minus mean accuracy is {more[most]:+.3f} where that is most (epoch "
        f"{observed.epoch[most]}), seen in {int(seen.sum())} of {int(learned.sum())} epochs in "
        f"which all have learned something; {bounds_at(observed, most)}"
    )
    if not seen.any():
        raise CannotTellError("not seen here, which does not mean that it cannot be", numbers)
    return True, numbers


def _order_of_bounds(observed: Observed) -> Judgement:
    low, random, agreed, chance = (
        observed.measure(name)
        for name in (
            "lower_bound",
            "expected_random_agreement",
            "true_positive_agreement",
            "chance_within_classes",
        )
    )
    # Equal by definition where at most one member errs.
    erring = (observed.accuracy < 1).sum(1)
    telling = (erring > 1) & (random * observed.examples >= EXPECTED) & have_learned(observed)
    if not telling.any():
        raise CannotTellError(
            "in every epoch they are equal by definition, ERA is too small, or some member has "
            "learned nothing"
        )
    ordered = ((low < random) & (random < agreed))[telling]
    above = (agreed > chance + ROUNDING)[telling]
    last = int(np.flatnonzero(telling)[-1])
    numbers = (
        f"in {int(ordered.sum())} of {len(ordered)} epochs; above the chance level within classes, "
        f"which is not asked and tells more, in {int(above.sum())}; {bounds_at(observed, last)}"
    )
    need_epochs(len(observed.epoch), numbers, FEWEST_PRESENT)
    return bool(ordered.all()), numbers


def _group_std(run: Run) -> Judgement:
    observed = run.observed("train")
    if not observed.groups:
        most = max(len(observed.members(n)) for n in observed.networks)
        raise CannotTellError(
            f"K = {most} members of one network: two groups of {GROUP} need {2 * GROUP}"
        )
    small, told = True, []
    for network, measures in observed.groups.items():
        if np.isnan(measures[GROUPED[0]]).all():
            raise CannotTellError("no member gets any example right")
        mean = {name: float(np.nanmean(measures[name].std(-1))) for name in GROUPED}
        groups = measures[GROUPED[0]].shape[-1]
        small &= all(value <= SMALL_STD for value in mean.values())
        told.append(
            f"{groups} groups of {GROUP} {network}: mean std of agreement {mean[GROUPED[0]]:.4f}, "
            f"ERA {mean[GROUPED[1]]:.4f}, LB {mean[GROUPED[2]]:.4f}"
        )
    need_epochs(len(observed.epoch), "; ".join(told))
    return small, "; ".join(told)


def _pabak(observed: Observed, *, slow: bool) -> Judgement:
    pabak, accuracy = observed.measure("pabak"), observed.measure("accuracy_mean")
    how, side = ("slowly", "below") if accuracy[0] < SLOW else ("fast", "above")
    arm = (
        f"accuracy grows {how}: {accuracy[0]:.3f} in the first epoch, "
        f"{abs(accuracy[0] - SLOW):.3f} {side} {SLOW}"
    )
    if (accuracy[0] < SLOW) != slow:
        raise CannotTellError(arm)
    bottom = int(np.argmin(pabak))
    course = (
        f"PABAK {pabak[0]:.3f} in epoch {observed.epoch[0]}, {pabak[bottom]:.3f} at its lowest "
        f"(epoch {observed.epoch[bottom]}), {pabak[-1]:.3f} in epoch {observed.epoch[-1]}"
    )
    alike = pearson(pabak, observed.measure("true_positive_agreement"))
    numbers = f"{arm}, {accuracy[-1]:.3f} in the last; {course}; r with agreement {alike}"
    need_epochs(len(observed.epoch), numbers)
    if accuracy[-1] < PAST_HALF:
        why = f"accuracy ends below {PAST_HALF}, and PABAK can only fall until it passes 0.5"
        raise CannotTellError(why, numbers)
    if slow:
        # Of one pair; the mean over pairs is surer.
        error = np.sqrt((1 - pabak[bottom] ** 2) / observed.examples)
        depth = min(pabak[0], pabak[-1]) - pabak[bottom]
        return bool(depth >= max(DEEP, CLEAR_ERRORS * error)), numbers
    if np.isnan(alike.r):
        raise CannotTellError("r is not defined: one of the curves is constant", numbers)
    return alike.r >= ALIKE, numbers


def need_epochs(recorded: int, numbers: str, fewest: int = FEWEST_EPOCHS) -> None:
    """Raise a CannotTellError, with the numbers that there are, if epochs are too few."""
    if recorded < fewest:
        raise CannotTellError(f"{counted(recorded, 'epoch')}, fewer than {fewest}", numbers)


def std_within(observed: Observed) -> dict[str, np.ndarray]:
    """Population std of accuracy over the members of each network with two or more: float [E]."""
    members = {n: observed.members(n) for n in dict.fromkeys(observed.networks)}
    return {n: observed.accuracy[:, m].std(1) for n, m in members.items() if len(m) > 1}


def _deviation(run: Run) -> Judgement:
    train, test = run.observed("train"), run.observed("test")
    within = [std_within(train), std_within(test)]
    if not within[0]:
        raise CannotTellError("no two members of the same network")
    on_train, on_test = (float(np.mean(list(stds.values()))) for stds in within)
    numbers = (
        f"mean std of accuracy {on_test:.4f} on {test.examples:,} test examples, {on_train:.4f} on "
        f"{train.examples:,} training examples, {run.judged_how}"
    )
    need_epochs(len(train.epoch), numbers)
    return on_test > on_train, numbers


LEARNED_MEANS = (
    f"member's accuracy is {ABOVE_GUESSING} times the share of the most frequent class or more"
)
PRESENT_MEANS = (
    f"present: {PRESENT} and {CLEAR_ERRORS:g} standard errors or more above the chance level "
    f"within classes in an epoch in which each {LEARNED_MEANS}, for one can show it; "
    f"{FEWEST_PRESENT} epochs or more"
)
RECORDING_MATTERS = (
    "The paper counts training examples online, while training; judged after the epoch, by fixed "
    "weights and running averages, accuracy fluctuates more where the learning rate is high"
)
DENSENET = "densenet121"  # of which the paper says what it says of its figures
ENOUGH = f"{FEWEST_EPOCHS} epochs or more, accuracy {PAST_HALF} or more in the last"

ABOVE_CHANCE = Finding(
    key="agreement_above_chance",
    sentence="Agreement lies well above its chance level and the lower bound, and the gap is "
    "widest before accuracy levels off.",
    source="v1 fig. 2a",
    criterion=f"in no epoch {BELOW_ERRORS:g} standard errors below chance within classes, on "
    f"average {WELL_ABOVE} or more above it; the gap is widest not after the first epoch with "
    f"{LEVELLED} of the largest accuracy; {FEWEST_EPOCHS} epochs or more. The gap to chance "
    "decides, not that to LB, which the paper shades: LB is below agreement by definition",
    needs=TRAIN_AND_TWO,
    check=each_run("train", _above_chance),
)
ABOVE_ACCURACY = Finding(
    key="agreement_above_accuracy",
    sentence="Agreement can exceed the mean accuracy.",
    source="v1 sec. 2",
    criterion=f"in one epoch or more in which each {LEARNED_MEANS}, and agreement is "
    f"{PRESENT} and {CLEAR_ERRORS:g} standard errors or more above the chance level within "
    "classes. (Networks that say one class for everything agree, but on nothing that they have "
    "learned.)",
    needs=TRAIN_AND_TWO,
    check=each_run("train", _above_accuracy),
    once=True,
    true_labels=False,
)
ORDER_OF_BOUNDS = Finding(
    key="order_of_bounds",
    sentence="LB < ERA < agreement.",
    source="v2 supplement B, fig. 1",
    criterion="in every epoch in which they are not equal by definition (one errs at most), each "
    f"{LEARNED_MEANS}, and ERA makes {EXPECTED:g} examples or more; {FEWEST_PRESENT} epochs or "
    "more. The order alone proves nothing: ERA is never above the chance level of agreement, nor "
    "LB above ERA.",
    needs=TRAIN_AND_TWO,
    check=each_run("train", _order_of_bounds),
    true_labels=False,
)
AGREEMENT_STD = Finding(
    key="agreement_std",
    sentence="The standard deviation on agreement, ERA and LB is small.",
    source="v2 supplement B, fig. 2",
    criterion=f"over consecutive groups of {GROUP} members of one network, each of the three: mean "
    f"over {FEWEST_EPOCHS} epochs or more {SMALL_STD} or less",
    needs=f"a run with {2 * GROUP} members or more of one network",
    check=each(_group_std, "train"),
    true_labels=False,
)
PABAK_SLOW = Finding(
    key="pabak_slow",
    sentence="PABAK is U-shaped if accuracy grows slowly.",
    source="v2 supplement B, fig. 3a",
    criterion=f"slowly, in our reading: accuracy below {SLOW} in the first epoch. U: both ends "
    f"{DEEP} and {CLEAR_ERRORS:g} standard errors or more above the lowest point; {ENOUGH}",
    needs="a run whose accuracy grows slowly",
    check=each_run("train", lambda observed: _pabak(observed, slow=True)),
    true_labels=False,
)
PABAK_FAST = Finding(
    key="pabak_fast",
    sentence="PABAK looks like agreement if accuracy grows fast.",
    source="v2 supplement B, fig. 3b",
    criterion=f"fast, in our reading: accuracy {SLOW} or more in the first epoch. Alike: r of the "
    f"two curves {ALIKE} or more; {ENOUGH}",
    needs="a run whose accuracy grows fast",
    check=each_run("train", lambda observed: _pabak(observed, slow=False)),
    true_labels=False,
)
TEST_AGREEMENT = Finding(
    key="test_agreement",
    sentence="Agreement is present on the test set, too.",
    source="v1 fig. 7, 19",
    criterion=PRESENT_MEANS,
    needs=f"{TRAIN_AND_TWO} and a test split",
    check=each_run("test", presence),
    network=DENSENET,
)
TEST_DEVIATION = Finding(
    key="test_deviation",
    sentence="Accuracy deviates more on the test set than on the training set.",
    source="v1 sec. 6, fig. 7, 19",
    criterion=f"std over the members of one network, mean over {FEWEST_EPOCHS} epochs or more. (A "
    f"smaller set alone makes it larger.) {RECORDING_MATTERS}",
    needs="a run with two members or more of one network, and both splits",
    check=each(_deviation),
    network=DENSENET,
)
