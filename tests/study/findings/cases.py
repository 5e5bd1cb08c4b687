"""For each finding runs on which it holds, on which it does not, and that cannot tell."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jagree.study.findings import FAILS, HOLDS, UNTOLD, Run
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

Build = Callable[[], Sequence[Run]]
CASES: dict[str, list[tuple[str, str, Build]]] = {}

RISING = np.linspace(1.0, 3.0, EXAMPLES)  # examples are learned in their order
FALLING = RISING[::-1]
EQUAL = members(curve(0.1, 0.9), curve(0.1, 0.9))
HALF = np.full((20, 2), 0.5)
PLAIN = ("entropy", "segments", "dct_share", "labels", "search_difficulty")


def case(key: str, word: str, title: str, build: Build) -> None:
    CASES.setdefault(key, []).append((title, word, build))


def flat(*accuracies: float, epochs: int = 20) -> np.ndarray:
    return np.tile(accuracies, (epochs, 1))


# --- chance -----------------------------------------------------------------------------------
def once_disjoint() -> np.ndarray:
    """Nested, but in the last epoch what one gets right the other does not."""
    right = nested(EQUAL)
    right[-1] = np.arange(EXAMPLES) % 2 == np.arange(2)[:, None]
    return right


def once(epoch: int, what: np.ndarray) -> np.ndarray:
    """Nested, but for one epoch."""
    right = nested(EQUAL)
    right[epoch] = what
    return right


KEY = "agreement_above_chance"
case(KEY, HOLDS, "at chance in one epoch", lambda: [
    run(once(10, independent(flat(0.5, 0.5, epochs=1))[0]))
])  # fmt: skip
case(KEY, HOLDS, "nothing right in one epoch", lambda: [
    run(once(0, np.zeros((2, EXAMPLES), bool)))
])  # fmt: skip
case(KEY, FAILS, "above, but by little", lambda: [
    run(blended(HALF[:1], 0.05, 20_000).repeat(20, 0))
])  # fmt: skip
case(KEY, HOLDS, "nested", lambda: [run(nested(EQUAL))])
case(KEY, FAILS, "independent", lambda: [run(independent(EQUAL))])
case(KEY, FAILS, "widest late", lambda: [run(blended(HALF, np.linspace(0.3, 0.9, 20)))])
case(KEY, HOLDS, "the same, early", lambda: [run(blended(HALF, np.linspace(0.9, 0.3, 20))[:1]
                                                 .repeat(20, 0))])  # fmt: skip
case(KEY, FAILS, "below in one epoch", lambda: [run(once_disjoint())])
case(KEY, UNTOLD, "few epochs", lambda: [run(nested(EQUAL)[:9])])
case(KEY, HOLDS, "just enough epochs", lambda: [run(nested(EQUAL)[:10])])
case(KEY, UNTOLD, "one member", lambda: [run(nested(EQUAL)[:, :1])])
case(KEY, UNTOLD, "no epoch", lambda: [run(nested(EQUAL)[:0])])
case(KEY, UNTOLD, "nothing right", lambda: [run(np.zeros((20, 2, 50), bool))])
case(KEY, UNTOLD, "label noise", lambda: [run(nested(EQUAL), **noise())])

KEY = "agreement_above_accuracy"
case(KEY, HOLDS, "nested", lambda: [run(nested(EQUAL))])
case(KEY, HOLDS, "one of two runs", lambda: [run(nested(EQUAL)), run(independent(EQUAL), name="b")])
case(KEY, UNTOLD, "independent", lambda: [run(independent(flat(0.3, 0.3)))])

# --- architectures ----------------------------------------------------------------------------
KEY = "accuracy_std_within"
case(KEY, HOLDS, "alike", lambda: [run(nested(flat(0.5, 0.53)))])
case(KEY, FAILS, "unlike", lambda: [run(nested(flat(0.5, 0.55)))])
case(KEY, UNTOLD, "few epochs", lambda: [run(nested(flat(0.5, 0.53, epochs=9)))])
case(KEY, FAILS, "just enough epochs", lambda: [run(nested(flat(0.5, 0.55, epochs=10)))])
case(KEY, UNTOLD, "each its own", lambda: [run(nested(flat(0.5, 0.5)), networks=("x", "y"))])
case(KEY, FAILS, "one network of two", lambda: [
    run(nested(flat(0.5, 0.5, 0.7, 0.8)), networks=("x", "x", "y", "y"))
])  # fmt: skip


def two_networks(low: float, high: float, **options: Any) -> list[Run]:
    return [
        run(nested(flat(low, low)), networks=("x",) * 2),
        run(nested(flat(high, high)), name="b", networks=("y",) * 2, **options),
    ]


KEY = "accuracy_std_across"
case(KEY, HOLDS, "two runs", lambda: two_networks(0.5, 0.62))
case(KEY, FAILS, "two runs alike", lambda: two_networks(0.5, 0.58))
case(KEY, HOLDS, "one run", lambda: [run(nested(flat(0.5, 0.62)), networks=("x", "y"))])
# Of four members the deviation is 0.05 too, but each network counts once: 0.0577.
case(KEY, HOLDS, "not by members", lambda: [
    run(nested(flat(0.5, 0.5, 0.5, 0.6155)), networks=("x", "x", "x", "y"))
])  # fmt: skip
case(KEY, UNTOLD, "one network", lambda: [run(nested(flat(0.5, 0.7)))])
case(KEY, HOLDS, "just enough epochs in common", lambda: two_networks(0.5, 0.7, first=11))
case(KEY, UNTOLD, "few epochs in common", lambda: two_networks(0.5, 0.7, first=12))
case(KEY, UNTOLD, "other data", lambda: two_networks(0.5, 0.7, fingerprint="other"))
case(KEY, UNTOLD, "other epochs", lambda: two_networks(0.5, 0.7, first=21))

KEY = "agreement_across_architectures"
case(KEY, HOLDS, "the same order", lambda: two_networks(0.6, 0.62))
case(KEY, FAILS, "opposite orders", lambda: [
    run(nested(flat(0.6, 0.6)), networks=("x",) * 2),
    run(nested(flat(0.6, 0.6))[..., ::-1], name="b", networks=("y",) * 2),
])  # fmt: skip
case(KEY, HOLDS, "one run", lambda: [
    run(nested(flat(0.6, 0.61, 0.62)), networks=("x", "y", "x"))
])  # fmt: skip
case(KEY, UNTOLD, "few epochs in common", lambda: two_networks(0.6, 0.62, first=12))
case(KEY, UNTOLD, "no two of a kind", lambda: [run(nested(HALF), networks=("x", "y"))])
case(KEY, UNTOLD, "one network", lambda: [run(nested(HALF))])


# --- batch sizes ------------------------------------------------------------------------------
def with_batch(together: float, batch: int, network: str = "vgg16", **fields: Any) -> Run:
    """A run of one network, of whose recipe nothing but these fields is known."""
    name = f"{network} {batch} {fields}"
    config = {"batch_size": batch, "network": network, "name": name} | fields
    return run(blended(HALF, together), name=name, config=config, networks=(network,) * 2)


KEY = "agreement_everywhere"
case(KEY, HOLDS, "two batch sizes", lambda: [with_batch(0.5, 32), with_batch(0.6, 64)])
case(KEY, HOLDS, "two networks", lambda: two_networks(0.5, 0.5))
case(KEY, FAILS, "absent in one", lambda: [with_batch(0.5, 32), with_batch(0.0, 64)])
case(KEY, FAILS, "absent in the only one", lambda: [run(independent(HALF))])
case(KEY, UNTOLD, "one kind", lambda: [with_batch(0.5, 32)])
case(KEY, UNTOLD, "few epochs", lambda: [
    run(independent(HALF[:2]), name=name, networks=(name,) * 2) for name in "xy"
])  # fmt: skip
case(KEY, FAILS, "just enough epochs", lambda: [
    run(independent(HALF[:3]), name=name, networks=(name,) * 2) for name in "xy"
])  # fmt: skip

KEY = "batch_and_complexity"
case(KEY, HOLDS, "both rise", lambda: [
    with_batch(0.2, 32), with_batch(0.5, 64), with_batch(0.6, 32, "densenet121")
])  # fmt: skip
case(KEY, HOLDS, "both fall", lambda: [
    with_batch(0.5, 32), with_batch(0.2, 64), with_batch(0.2, 32, "resnet50_imagenet")
])  # fmt: skip
case(KEY, FAILS, "one rises", lambda: [
    with_batch(0.5, 32), with_batch(0.2, 64), with_batch(0.8, 32, "densenet121_cifar")
])  # fmt: skip
case(KEY, FAILS, "a flat network is better", lambda: [
    with_batch(0.2, 32), with_batch(0.5, 64), with_batch(0.6, 32, "lenet5")
])  # fmt: skip
case(KEY, UNTOLD, "no change", lambda: [
    with_batch(0.5, 32), with_batch(0.5, 64), with_batch(0.6, 32, "resnet50")
])  # fmt: skip
case(KEY, UNTOLD, "one series", lambda: [with_batch(0.5, 32), with_batch(0.2, 64)])
case(KEY, UNTOLD, "a depth is not known", lambda: [
    with_batch(0.2, 32), with_batch(0.5, 64), with_batch(0.6, 32, "mine")
])  # fmt: skip
case(KEY, HOLDS, "one depth of three is not known", lambda: [
    with_batch(0.2, 32), with_batch(0.5, 64), with_batch(0.1, 32, "mine"),
    with_batch(0.6, 32, "resnet50"),
])  # fmt: skip
case(KEY, UNTOLD, "two stems of one depth", lambda: [
    with_batch(0.2, 32, "densenet121"), with_batch(0.5, 64, "densenet121"),
    with_batch(0.6, 32, "densenet121_cifar"),
])  # fmt: skip
case(KEY, UNTOLD, "batches differ in the rate, too", lambda: [
    with_batch(0.2, 32), with_batch(0.5, 64, **{"optimizer.learning_rate": 0.2}),
    with_batch(0.6, 32, "resnet50"),
])  # fmt: skip
case(KEY, UNTOLD, "networks differ in the rate, too", lambda: [
    with_batch(0.2, 32), with_batch(0.5, 64),
    with_batch(0.6, 32, "resnet50", **{"optimizer.learning_rate": 0.2}),
])  # fmt: skip
case(KEY, HOLDS, "what says how may differ", lambda: [
    with_batch(0.2, 32), with_batch(0.5, 64, **{"training.engine": "loop", "data.dir": "d"}),
    with_batch(0.6, 32, "resnet50", **{"statistics.workers": 2}),
])  # fmt: skip
case(KEY, UNTOLD, "a member was left out", lambda: [
    with_batch(0.2, 32), with_batch(0.5, 64),
    run(blended(np.full((20, 3), 0.5), 0.6), name="b", networks=("resnet50",) * 3,
        config={"batch_size": 32, "network": "resnet50"}),
])  # fmt: skip
case(KEY, UNTOLD, "no run.json", lambda: [
    run(blended(HALF, 0.3), name=f"{network} {k}", networks=(network,) * 2)
    for network in ("vgg16", "resnet50") for k in "ab"
])  # fmt: skip


# --- random labels ----------------------------------------------------------------------------
def noise(share: float = 1.0) -> dict[str, np.ndarray]:
    """Labels of which a share is drawn anew, from all classes."""
    rng = np.random.default_rng(5)
    true = np.arange(EXAMPLES) % len(CLASSES)
    drawn = rng.integers(0, len(CLASSES), EXAMPLES)
    return {"label": np.where(rng.random(EXAMPLES) < share, drawn, true), "true_label": true}


def late(epochs: int) -> np.ndarray:
    """Nothing for some epochs, then as `EQUAL`."""
    return np.concatenate([np.full((epochs, 2), 0.01), EQUAL])[:20]


def noisy_and_clean(noisy: np.ndarray, clean: np.ndarray, share: float = 1.0) -> list[Run]:
    labels = noise(share)
    true = labels["true_label"]
    return [run(noisy, name="noisy", **labels), run(clean, name="clean", label=true)]


KEY = "random_labels_later"
case(KEY, HOLDS, "later", lambda: noisy_and_clean(independent(late(8)), independent(EQUAL)))
case(KEY, FAILS, "earlier", lambda: noisy_and_clean(independent(EQUAL), independent(late(8))))
case(KEY, FAILS, "as late", lambda: noisy_and_clean(independent(late(3)), independent(late(3))))
case(KEY, UNTOLD, "from the first epoch on",
     lambda: noisy_and_clean(nested(HALF), nested(HALF)))  # fmt: skip
case(KEY, UNTOLD, "nothing learned",
     lambda: noisy_and_clean(nested(flat(0.0, 0.0)), nested(EQUAL)))  # fmt: skip
case(KEY, UNTOLD, "some noise only",
     lambda: noisy_and_clean(independent(late(8)), independent(EQUAL), 0.4))  # fmt: skip
case(KEY, UNTOLD, "nothing to compare with", lambda: [run(nested(late(8)), **noise())])
case(KEY, UNTOLD, "another network", lambda: [
    run(nested(late(8)), **noise()),
    run(nested(EQUAL), name="b", label=noise()["true_label"], networks=("y", "y")),
])  # fmt: skip

KEY = "random_labels_agreement"
case(KEY, HOLDS, "nested", lambda: [run(nested(EQUAL), **noise())])
case(KEY, FAILS, "independent", lambda: [run(independent(EQUAL), **noise())])
case(KEY, UNTOLD, "true labels", lambda: [run(nested(EQUAL))])
case(KEY, UNTOLD, "nothing learned", lambda: [run(nested(flat(0.24, 0.24)), **noise())])
case(KEY, HOLDS, "a little learned", lambda: [run(nested(flat(0.29, 0.29)), **noise())])
case(KEY, UNTOLD, "some noise only", lambda: [run(nested(EQUAL), **noise(0.4))])


# --- bounds, deviation, PABAK -----------------------------------------------------------------
def disjoint() -> np.ndarray:
    return np.tile(np.arange(EXAMPLES) % 2 == np.arange(2)[:, None], (20, 1, 1))


KEY = "order_of_bounds"
case(KEY, HOLDS, "nested", lambda: [run(nested(flat(0.5, 0.6)))])
case(KEY, FAILS, "disjoint", lambda: [run(disjoint())])
case(KEY, FAILS, "disjoint once", lambda: [
    run(np.concatenate([nested(HALF), disjoint()[:1]]))
])  # fmt: skip
case(KEY, UNTOLD, "all right", lambda: [run(nested(flat(1, 1)))])
case(KEY, UNTOLD, "one errs", lambda: [run(nested(flat(1, 0.5)))])
case(KEY, UNTOLD, "too few by chance", lambda: [run(independent(flat(0.09, 0.09)))])
case(KEY, UNTOLD, "one idle", lambda: [run(nested(flat(0, 0.5)))])
case(
    KEY, UNTOLD, "too few right to see", lambda: [run(disjoint()[..., :3] & ([True] * 2 + [False]))]
)


def ten(low: float, high: float) -> np.ndarray:
    """Ten members, the first five with one accuracy, the others with another."""
    return nested(flat(*[low] * 5, *[high] * 5))


KEY = "agreement_std"
case(KEY, HOLDS, "alike", lambda: [run(ten(0.9, 0.9))])
case(KEY, UNTOLD, "few epochs", lambda: [run(ten(0.9, 0.95)[:9])])
case(KEY, FAILS, "ERA and LB deviate", lambda: [run(ten(0.9, 0.95))])
case(KEY, FAILS, "agreement deviates", lambda: [
    run(np.concatenate([nested(flat(*[0.5] * 5)), independent(flat(*[0.5] * 5))], axis=1))
])  # fmt: skip
case(KEY, HOLDS, "an eleventh is left over", lambda: [
    run(nested(flat(*[0.9] * 10, 0.1)))
])  # fmt: skip
case(KEY, UNTOLD, "nine members", lambda: [run(ten(0.9, 0.9)[:, :9])])
case(KEY, UNTOLD, "five of each", lambda: [run(ten(0.9, 0.9), networks=("x",) * 5 + ("y",) * 5)])


def more_and_more_apart() -> np.ndarray:
    """Agreement rises while PABAK falls: the share that one alone gets right grows, too."""
    both, alone = curve(0.4, 0.6), curve(0.05, 0.06)
    return nested(members(both + alone, both))


KEY = "pabak_slow"
case(KEY, HOLDS, "independent", lambda: [run(independent(members(*[curve(0.05, 0.95)] * 2)))])
case(KEY, HOLDS, "just slow", lambda: [run(independent(members(*[curve(0.39, 0.95)] * 2), 9000))])
case(KEY, FAILS, "nested", lambda: [run(nested(EQUAL))])
case(KEY, FAILS, "hardly rises", lambda: [run(independent(members(*[curve(0.05, 0.61)] * 2)))])
case(KEY, UNTOLD, "falls only", lambda: [run(independent(members(*[curve(0.05, 0.5)] * 2)))])
case(KEY, UNTOLD, "ends too soon", lambda: [run(nested(members(*[curve(0.05, 0.59)] * 2)))])
case(KEY, UNTOLD, "fast", lambda: [run(independent(members(*[curve(0.5, 0.95)] * 2)))])
case(KEY, UNTOLD, "few epochs", lambda: [run(independent(EQUAL)[:5])])

KEY = "pabak_fast"
case(KEY, HOLDS, "independent", lambda: [run(independent(members(*[curve(0.5, 0.95)] * 2)))])
case(KEY, FAILS, "apart", lambda: [run(more_and_more_apart())])
case(KEY, UNTOLD, "just fast, and flat", lambda: [run(nested(members(*[curve(0.4, 0.9)] * 2)))])
case(KEY, UNTOLD, "ends too soon", lambda: [run(independent(members(*[curve(0.45, 0.59)] * 2)))])
case(KEY, UNTOLD, "slow", lambda: [run(independent(EQUAL))])

# --- the test set -----------------------------------------------------------------------------
KEY = "test_agreement"
case(KEY, HOLDS, "nested", lambda: [run(independent(EQUAL), nested(EQUAL))])
case(KEY, FAILS, "independent", lambda: [run(nested(EQUAL), independent(EQUAL))])
case(KEY, FAILS, "by chance, of few", lambda: [
    run(nested(EQUAL), independent(flat(*[0.5] * 2, epochs=60), 40))
])  # fmt: skip
case(KEY, UNTOLD, "no test split", lambda: [run(nested(EQUAL))])
case(KEY, UNTOLD, "few epochs", lambda: [run(nested(EQUAL), independent(EQUAL)[:2])])
case(KEY, FAILS, "just enough epochs", lambda: [run(nested(EQUAL), independent(HALF)[:3])])
case(KEY, UNTOLD, "nothing learned", lambda: [run(nested(EQUAL), independent(EQUAL)[:3])])
case(KEY, UNTOLD, "another network", lambda: [
    run(independent(EQUAL), nested(EQUAL), networks=("lenet5",) * 2)
])  # fmt: skip

KEY = "test_deviation"
case(KEY, HOLDS, "more", lambda: [run(nested(flat(0.5, 0.51)), nested(flat(0.5, 0.55)))])
case(KEY, FAILS, "less", lambda: [run(nested(flat(0.5, 0.55)), nested(flat(0.5, 0.51)))])
case(KEY, FAILS, "as much", lambda: [run(nested(flat(0.5, 0.55)), nested(flat(0.5, 0.55)))])
case(KEY, UNTOLD, "unlike networks", lambda: [
    run(nested(HALF), nested(HALF), networks=("densenet121", "densenet121_cifar"))
])  # fmt: skip
case(KEY, UNTOLD, "few epochs", lambda: [
    run(nested(flat(0.5, 0.51, epochs=9)), nested(flat(0.5, 0.55, epochs=9)))
])  # fmt: skip
case(KEY, HOLDS, "with the other stem", lambda: [
    run(nested(flat(0.5, 0.51)), nested(flat(0.5, 0.55)), networks=("densenet121_cifar",) * 2)
])  # fmt: skip
case(KEY, UNTOLD, "another network", lambda: [
    run(nested(flat(0.5, 0.55)), nested(flat(0.5, 0.51)), networks=("densenet121", "lenet5"))
])  # fmt: skip
