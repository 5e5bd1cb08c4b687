"""The numbers behind the verdicts on training dynamics, spelled out."""

import itertools
import math
import re

import numpy as np
import pytest

from jagree.study import chance_within_classes
from jagree.study.findings import comparisons, dynamics
from jagree.study.findings.evidence import CannotTellError
from jagree.study.findings.verdicts import UNTOLD
from jagree.study.pairs import pair_chance
from tests.study.findings.simulated import (
    CLASSES,
    EXAMPLES,
    blended,
    curve,
    independent,
    members,
    nested,
    run,
)


def test_the_widest_gap_stands_beside_all_that_it_may_be_compared_with() -> None:
    accuracy = members(np.array([0.2, 0.5, 0.8]), np.array([0.1, 0.3, 0.8]))
    holds, numbers = dynamics.presence(run(nested(accuracy)).observed("train"))
    # Gaps of 0.5 - 0.0714, but nothing is learned yet, 0.6 - 0.2308 and 1 - 0.6667.
    chance = 0.15 / 0.65
    error = math.sqrt(chance * (1 - chance) / 300)
    assert holds
    assert numbers == (
        f"widest gap {0.6 - chance:.3f} ± {error:.3f}: agreement 0.600, its chance level "
        f"{chance:.3f}, within classes {chance:.3f}, ERA 0.150, LB 0.000 (epoch 2)"
    )


@pytest.mark.parametrize("extra", [1, 3])
def test_presence_takes_two_hundredths_and_four_errors(extra: int) -> None:
    """Two members with half of N right; `more` than chance of them in common."""
    n, both = 40_000, 10_000 + 100 * extra
    first = np.arange(n) < n / 2
    second = np.roll(first, n // 2 - both)
    assert (first & second).sum() == both
    epochs = np.stack([first, second])[None].repeat(3, 0)
    observed = run(epochs).observed("train")
    gap = both / (n - both) - 1 / 3
    error = math.sqrt(2 / 9 / (n - both))
    assert gap > 4 * error if extra == 3 else gap < 4 * error
    found, _ = dynamics.presence(observed)
    assert found == (gap >= 0.02)
    few = run(epochs[..., ::400]).observed("train")
    assert not dynamics.presence(few)[0]


def literal_pairs(rights: list[np.ndarray], different: bool) -> tuple[float, float]:
    """Mean agreement, and chance, of pairs across two runs or within them: [E, K, N] each."""
    agreement, chance = [], []
    for e in range(len(rights[0])):
        if different:
            pairs = list(itertools.product(rights[0][e], rights[1][e]))
        else:
            pairs = [p for r in rights for p in itertools.combinations(r[e], 2)]
        for one, other in pairs:
            agreement.append((one & other).sum() / (one | other).sum())
            label = np.arange(len(one)) % len(CLASSES)  # as `dataset` has it
            chance.append(float(chance_within_classes(np.stack([one, other]), label)))
    return float(np.mean(agreement)), float(np.mean(chance))


def test_pairs_across_runs_are_those_of_different_networks() -> None:
    rights = [independent(np.full((6, 3), 0.4), seed=1), independent(np.full((6, 2), 0.7), seed=2)]
    runs = [
        run(rights[0][:5], networks=("x",) * 3),
        run(rights[1], name="b", networks=("y",) * 2, first=1),
    ]
    rights = [r[:5] for r in rights]  # the common epochs
    within, across = comparisons._pairs(runs)
    for found, different in ((within, False), (across, True)):
        agreement, chance = literal_pairs(rights, different)
        assert found.mean == pytest.approx(agreement)
        assert np.mean(found.chance) == pytest.approx(chance)
    assert (within.agreement.shape, across.agreement.shape) == ((5, 4), (5, 6))


def test_members_of_one_network_in_two_runs_are_no_pair_within() -> None:
    """They may be the very same members."""
    runs = [run(nested(np.full((2, 2), 0.5)), networks=("x", "y"), name=n) for n in "ab"]
    with pytest.raises(CannotTellError, match="no two members of the same network"):
        comparisons._pairs(runs)


def test_common_epochs_are_found_by_their_number() -> None:
    """A run that begins two epochs later is compared at the same epochs."""
    right = independent(members(curve(0.2, 0.9, 12), curve(0.2, 0.9, 12)))
    runs = [
        run(right, networks=("x",) * 2),
        run(right[2:], name="b", first=3, networks=("y",) * 2),
    ]
    together = list(comparisons._together(runs))
    assert len(together) == 10
    for e, both in enumerate(together):
        np.testing.assert_array_equal(both, np.concatenate([right[e + 2]] * 2))
    _, numbers = comparisons._std_across(runs)
    assert numbers.startswith("mean std of accuracy over networks 0.0000 (10 epochs")


def test_few_epochs_are_no_reason_to_keep_the_numbers_back() -> None:
    one = run(nested(np.full((2, 2), 0.5)), nested(np.full((2, 2), 0.4)))
    for finding in (
        comparisons.STD_WITHIN,
        dynamics.TEST_AGREEMENT,
        dynamics.TEST_DEVIATION,
        dynamics.ABOVE_CHANCE,
    ):
        (verdict,) = finding.verdicts([one])
        assert verdict.word == UNTOLD
        assert re.fullmatch(r"2 epochs, fewer than (3|10)", verdict.why)
        assert "0." in verdict.numbers


def test_both_gaps_have_their_widest_epoch_and_chance_decides() -> None:
    """At accuracy 0.5 LB is 0 still, but chance has risen since it was 0.3."""
    right = np.concatenate(
        [blended(np.full((1, 2), 0.3), 0.9), blended(np.full((11, 2), 0.5), 0.95)]
    )
    (verdict,) = dynamics.ABOVE_CHANCE.verdicts([run(right)])
    observed = run(right).observed("train")
    agreement = observed.measures["true_positive_agreement"]
    chance, low = (agreement - observed.measures[n] for n in ("chance_agreement", "lower_bound"))
    early, late = int(chance.argmax()), int(low.argmax())
    assert early != late
    assert (
        f"the gap to chance, which decides, is widest in epoch {early + 1} ({chance[early]:.3f}), "
        f"that to LB in epoch {late + 1} ({low[late]:.3f}); accuracy levels off in epoch 2;"
    ) in verdict.numbers


def test_how_training_examples_are_judged_stands_beside_what_it_matters_for() -> None:
    halves = nested(np.full((10, 2), 0.5))
    for recording, said in (
        ("epoch_end", "judged after the epoch; the paper's are online"),
        ("online", "judged online, as the paper's"),
    ):
        one = run(halves, halves, recording=recording)
        for finding in (comparisons.STD_WITHIN, dynamics.TEST_DEVIATION):
            (verdict,) = finding.verdicts([one])
            assert verdict.numbers.endswith(said)
            assert "online" in finding.criterion


@pytest.mark.parametrize(
    ("first", "arm"),
    [
        (0.3, "accuracy grows slowly: 0.300 in the first epoch, 0.100 below 0.4"),
        (0.45, "accuracy grows fast: 0.450 in the first epoch, 0.050 above 0.4"),
        (0.4, "accuracy grows fast: 0.400 in the first epoch, 0.000 above 0.4"),
    ],
)
def test_which_arm_of_pabak_and_how_near_the_threshold(first: float, arm: str) -> None:
    one = run(nested(members(curve(first, 0.6), curve(first, 0.6))))
    slow, fast = (f.verdicts([one])[0] for f in (dynamics.PABAK_SLOW, dynamics.PABAK_FAST))
    asked, refused = (slow, fast) if first < 0.4 else (fast, slow)
    assert asked.numbers.startswith(f"{arm}, 0.600 in the last; ")
    assert refused.why == arm


def test_pabak_that_is_constant_looks_like_nothing() -> None:
    one = run(nested(members(curve(0.5, 0.9), curve(0.5, 0.9))))
    (verdict,) = dynamics.PABAK_FAST.verdicts([one])
    assert (verdict.word, verdict.why) == (
        UNTOLD,
        "r is not defined: one of the curves is constant",
    )


def test_presence_is_seen_in_an_epoch_in_which_something_is_learned() -> None:
    """The widest gap is one of few examples, or of nothing learned; a smaller one is clear."""
    n = 1000
    label = np.arange(n) % 5
    clear = blended(np.full((1, 2), 0.5), 0.3, n)
    nothing = nested(np.full((1, 2), 0.01), n)  # the same ten examples: agreement 1
    epochs = np.concatenate([nothing, clear, independent(np.full((1, 2), 0.5), n)])
    observed = run(epochs, label=label).observed("train")
    assert np.nanargmax(dynamics.chance_gap(observed)) == 0
    holds, numbers = dynamics.presence(observed)
    assert holds
    assert numbers.endswith("(epoch 2)")
    not_so = run(np.concatenate([nothing, epochs[2:], epochs[2:]]), label=label).observed("train")
    assert dynamics.presence(not_so)[0] is False


def test_the_order_of_bounds_is_asked_where_something_is_learned() -> None:
    """Before, two members that guess may be right about nothing in common, which tells nothing."""
    n = 2000
    label = np.arange(n) % 5
    guess = np.arange(n) < 300  # 0.15, where guessing gives 0.2
    guesses = np.stack([guess, guess[::-1]])[None]
    learned = nested(np.array([[0.5, 0.6]]), n).repeat(3, 0)
    holds, numbers = dynamics._order_of_bounds(
        run(np.concatenate([guesses, learned]), label=label).observed("train")
    )
    assert holds
    assert numbers.startswith("in 3 of 3 epochs; ")
    with pytest.raises(CannotTellError, match="some member has learned nothing"):
        dynamics._order_of_bounds(run(guesses.repeat(3, 0), label=label).observed("train"))


def test_chance_of_pairs_is_that_of_each_pair() -> None:
    """In classes of unequal size; a pair that gets nothing right has none."""
    rng = np.random.default_rng(0)
    classes = np.repeat([4, 1, 7], [10, 60, 200])
    right = rng.random((4, 270)) < np.where(classes == 1, 0.8, 0.3)
    right[2:] = False
    found = pair_chance(right, classes)
    for i, j in itertools.product(range(4), repeat=2):
        expected = float(chance_within_classes(right[[i, j]], classes))
        assert found[i, j] == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert np.isnan(found[2, 3])


def test_pairs_of_members_with_equal_labels_of_their_own() -> None:
    """Labels are kept per member where rates of noise differ, be those members left out."""
    rights = [independent(np.full((3, 2), 0.5), seed=s) for s in (1, 2)]
    label = np.arange(EXAMPLES) % len(CLASSES)
    own = run(rights[0], networks=("x",) * 2, label=np.stack([label, label]), true_label=label)
    plain = run(rights[0], networks=("x",) * 2)
    other = run(rights[1], name="b", networks=("y",) * 2)
    found, same = comparisons._pairs([own, other]), comparisons._pairs([plain, other])
    for one, two in zip(found, same, strict=True):
        np.testing.assert_array_equal(one.chance, two.chance)


def collapsed(accuracy: float) -> np.ndarray:
    """Two members that say one class for everything, and are right about it: [E, K, N]."""
    n = 1000
    right = np.zeros((5, 2, n), bool)
    right[:, :, : int(accuracy * n)] = True
    return right


def test_saying_one_class_for_everything_is_no_agreement() -> None:
    """They agree on all that anyone gets right, and chance knows nothing of that."""
    label = np.repeat(np.arange(5), 200)
    observed = run(collapsed(0.2), label=label).observed("train")
    assert observed.measure("true_positive_agreement")[0] == 1
    assert observed.measure("chance_agreement")[0] == pytest.approx(1 / 9)
    with pytest.raises(CannotTellError, match="all members have learned something") as told:
        dynamics.presence(observed)
    assert told.value.numbers.startswith(
        "widest gap 0.000 ± 0.000: agreement 1.000, its chance level 0.111, within classes 1.000"
    )
    with pytest.raises(CannotTellError, match="all members have learned something"):
        dynamics._above_accuracy(observed)


def test_agreement_exceeds_accuracy_where_more_than_classes_is_learned() -> None:
    label = np.arange(1000) % 5
    observed = run(collapsed(0.25), label=label).observed("train")
    holds, numbers = dynamics._above_accuracy(observed)
    assert holds
    assert numbers.startswith(
        "agreement minus mean accuracy is +0.750 where that is most (epoch 1), seen in 5 of 5 "
        "epochs in which all have learned something; agreement 1.000"
    )
    # Two whole classes: enough is learned, but nothing of single examples.
    classes = run(collapsed(0.4), label=np.repeat(np.arange(5), 200)).observed("train")
    with pytest.raises(CannotTellError, match="not seen here"):
        dynamics._above_accuracy(classes)
    # First the classes, then also images: the numbers are of an epoch that shows it.
    both = np.concatenate([collapsed(0.4)[:1], collapsed(0.25)[:1]])
    both[1] = np.arange(1000) % 4 == 0
    seen = run(both, label=np.repeat(np.arange(5), 200)).observed("train")
    holds, numbers = dynamics._above_accuracy(seen)
    assert holds
    assert "(epoch 2), seen in 1 of 2 epochs" in numbers
