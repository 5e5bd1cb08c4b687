"""The same for the findings on one data set each."""

from typing import Any

import numpy as np

from jagree.study.findings import FAILS, HOLDS, UNTOLD, Run
from tests.study.findings.cases import CASES, FALLING, PLAIN, RISING, case, flat
from tests.study.findings.simulated import EXAMPLES, curve, learning, members, nested, run

__all__ = ["CASES"]

AGREED = learning().all(1).sum(1)  # [E], the examples agreed on: the first so many
FIRST, LAST = int(AGREED[5]), int(AGREED[-1])  # in the first and the last shown epoch
MUCH = {"edge_strength": FALLING, "segments": FALLING, "dct_share": FALLING}
LITTLE = dict.fromkeys(MUCH, 10 - RISING / 2)  # falls by less than a tenth


def on(data: str, columns: Any = None, name: str = "a", **options: Any) -> Run:
    """A run of two networks that learn the examples in their order."""
    return run(learning(), name=name, data=data, columns=columns, **options)


def tested(data: str, columns: Any) -> Run:
    return run(learning(), learning(), data=data, test_columns=columns)


# --- Pascal VOC -------------------------------------------------------------------------------
def all_plain(**others: np.ndarray) -> dict[str, np.ndarray]:
    return dict.fromkeys(PLAIN, RISING) | others


KEY = "voc_plain_first"
case(KEY, HOLDS, "all rise", lambda: [on("voc", all_plain())])
case(KEY, FAILS, "one falls", lambda: [on("voc", all_plain(segments=FALLING))])
case(KEY, FAILS, "one is flat", lambda: [on("voc", all_plain(segments=np.ones(EXAMPLES)))])
case(KEY, UNTOLD, "no statistics", lambda: [on("voc")])
case(KEY, UNTOLD, "other data", lambda: [on("cifar10", all_plain())])
case(KEY, UNTOLD, "accuracy too low", lambda: [
    run(nested(flat(0.1, 0.2)), data="voc", columns=all_plain())
])  # fmt: skip
case(KEY, UNTOLD, "few shown epochs", lambda: [
    run(learning()[:14], data="voc", columns=all_plain())
])  # fmt: skip
case(KEY, HOLDS, "just enough of them", lambda: [
    run(learning()[:15], data="voc", columns=all_plain())
])  # fmt: skip
case(KEY, UNTOLD, "another network", lambda: [
    on("voc", all_plain(segments=FALLING), networks=("lenet5",) * 2)
])  # fmt: skip
case(KEY, HOLDS, "with the other stem", lambda: [
    on("voc", all_plain(), networks=("densenet121_cifar",) * 2)
])  # fmt: skip
case(KEY, UNTOLD, "few values", lambda: [
    on("voc", {n: np.where(np.arange(EXAMPLES) % 7, np.nan, RISING) for n in PLAIN})
])  # fmt: skip

KEY = "voc_large_boxes_first"
case(KEY, HOLDS, "falls", lambda: [on("voc", {"box_area": FALLING})])
case(KEY, FAILS, "rises", lambda: [on("voc", {"box_area": RISING})])
case(KEY, UNTOLD, "no such column", lambda: [on("voc", all_plain())])


def labels(first: float, last: float) -> dict[str, np.ndarray]:
    """So many labels on average in the first and in the last shown epoch."""
    rest = (last * LAST - first * FIRST) / (LAST - FIRST)
    return {"labels": np.where(np.arange(EXAMPLES) < FIRST, first, rest)}


KEY = "voc_labels_per_image"
case(KEY, HOLDS, "as in the paper", lambda: [on("voc", labels(1.1, 1.4))])
case(KEY, HOLDS, "about so", lambda: [on("voc", labels(1.19, 1.31))])
case(KEY, FAILS, "too many at first", lambda: [on("voc", labels(1.21, 1.4))])
case(KEY, FAILS, "too few at last", lambda: [on("voc", labels(1.1, 1.29))])
case(KEY, UNTOLD, "no statistics", lambda: [on("voc")])

DROPS = (9, 15)


def stepped(size: float, columns: Any = None, **options: Any) -> Run:
    """Agreement rises a little each epoch, and by `size` at the epochs of `DROPS`."""
    return run(steps(size), data="voc", columns=columns, **options)


def steps(size: float) -> np.ndarray:
    epoch = np.arange(1, 21)
    jumps = size * sum(epoch >= drop for drop in DROPS)
    return nested(members(np.full(20, 0.9), 0.5 + 0.005 * epoch + jumps))


KEY = "voc_jumps"
case(KEY, HOLDS, "steps", lambda: [stepped(0.1, rate_drops=DROPS)])
case(KEY, HOLDS, "of statistics, too", lambda: [
    stepped(0.1, {"entropy": RISING}, rate_drops=DROPS)
])  # fmt: skip
case(KEY, FAILS, "not of statistics", lambda: [
    stepped(0.1, {"entropy": np.ones(EXAMPLES)}, rate_drops=DROPS)
])  # fmt: skip
case(KEY, FAILS, "one step of two", lambda: [stepped(0.1, rate_drops=(9, 12))])
case(KEY, FAILS, "smooth", lambda: [stepped(0.0, rate_drops=DROPS)])
case(KEY, FAILS, "steps down", lambda: [stepped(-0.1, rate_drops=DROPS)])
case(KEY, HOLDS, "of statistics either way", lambda: [
    stepped(0.1, {"entropy": FALLING}, rate_drops=DROPS)
])  # fmt: skip
case(KEY, HOLDS, "on test, too", lambda: [stepped(0.1, test=steps(0.1), rate_drops=DROPS)])
case(KEY, FAILS, "not on test", lambda: [stepped(0.1, test=steps(0.0), rate_drops=DROPS)])
case(KEY, UNTOLD, "another network", lambda: [
    stepped(0.1, rate_drops=DROPS, networks=("resnet50",) * 2)
])  # fmt: skip
case(KEY, UNTOLD, "rate not known", lambda: [stepped(0.1)])
case(KEY, UNTOLD, "no drop yet", lambda: [stepped(0.1, rate_drops=(50,))])

KEY = "voc_test_accuracy"
case(KEY, HOLDS, "half in the end", lambda: [
    run(nested(flat(0.9)), nested(curve(0.1, 0.5)[:, None]), data="voc")
])  # fmt: skip
case(KEY, HOLDS, "half", lambda: [run(nested(flat(0.9)), nested(flat(0.54)), data="voc")])
case(KEY, FAILS, "more", lambda: [run(nested(flat(0.5)), nested(flat(0.56)), data="voc")])
case(KEY, FAILS, "less", lambda: [run(nested(flat(0.5)), nested(flat(0.44)), data="voc")])
case(KEY, UNTOLD, "no test split", lambda: [run(nested(flat(0.5)), data="voc")])


def dipping(until: int) -> np.ndarray:
    """High values first, low ones until an epoch, then the highest."""
    n = np.arange(EXAMPLES)
    return np.where(n < FIRST, 5.0, np.where(n < AGREED[until - 1], 0.0, 12.0))


KEY = "voc_dip"
DIPS = ("segments", "dct_share", "search_difficulty")
case(KEY, HOLDS, "early", lambda: [on("voc", dict.fromkeys(DIPS, dipping(9)))])
case(KEY, FAILS, "too late", lambda: [on("voc", dict.fromkeys(DIPS, dipping(14)))])
case(KEY, FAILS, "rises only", lambda: [on("voc", dict.fromkeys(DIPS, RISING))])
case(KEY, FAILS, "one only falls", lambda: [
    on("voc", dict.fromkeys(DIPS, dipping(9)) | {"segments": FALLING})
])  # fmt: skip
case(KEY, UNTOLD, "no such columns", lambda: [on("voc", {"entropy": RISING})])

KEY = "voc_edges"
case(KEY, HOLDS, "rises", lambda: [on("voc", {"edge_strength": RISING})])
case(KEY, FAILS, "falls", lambda: [on("voc", {"edge_strength": FALLING})])
case(KEY, UNTOLD, "no statistics", lambda: [on("voc")])


def resnet(columns: Any = None, right: Any = None, network: str = "resnet50") -> Run:
    right = learning() if right is None else right
    return run(right, data="voc", name=network, columns=columns, networks=(network,) * 2)


def densenet(columns: Any = None, right: Any = None) -> Run:
    return resnet(columns, right, "densenet121")


SLOW = nested(members(curve(0.01, 0.8), curve(0.01, 0.8)))
QUICK = nested(members(curve(0.1, 0.8), curve(0.1, 0.8)))

KEY = "voc_resnet50_slower"
case(KEY, HOLDS, "slower", lambda: [resnet(right=SLOW), densenet(right=QUICK)])
case(KEY, FAILS, "faster", lambda: [resnet(right=QUICK), densenet(right=SLOW)])
case(KEY, UNTOLD, "one of them", lambda: [resnet()])
case(KEY, UNTOLD, "on other images", lambda: [
    resnet(right=SLOW),
    run(QUICK, name="b", data="voc", networks=("densenet121",) * 2, fingerprint="other"),
])  # fmt: skip

KEY = "voc_resnet50_directions"
SAME = all_plain(box_area=FALLING, dct_share=FALLING)  # of DCT nothing is said
case(KEY, HOLDS, "the same", lambda: [resnet(SAME)])
case(KEY, HOLDS, "with the other stem", lambda: [resnet(SAME, network="resnet50_imagenet")])
case(KEY, FAILS, "one is not", lambda: [resnet(SAME | {"labels": FALLING})])
case(KEY, UNTOLD, "DenseNet121", lambda: [densenet(SAME)])
case(KEY, UNTOLD, "agreement too low", lambda: [
    resnet(SAME, nested(members(curve(0.6, 0.9), np.full(20, 0.1))))
])  # fmt: skip


def noisy_values(seed: int) -> dict[str, np.ndarray]:
    drawn = np.random.default_rng(seed).normal(size=EXAMPLES)
    return {"entropy": RISING + 5 * drawn, "labels": RISING + 9 * drawn}


CLEAR = {"entropy": RISING, "labels": RISING}
CONSTANT = dict.fromkeys((*PLAIN, "box_area"), np.ones(EXAMPLES))
KEY = "voc_resnet50_weaker"
case(KEY, HOLDS, "weaker", lambda: [resnet(noisy_values(0)), densenet(CLEAR)])
case(KEY, FAILS, "stronger", lambda: [resnet(CLEAR), densenet(noisy_values(0))])
case(KEY, UNTOLD, "no DenseNet121", lambda: [resnet(CLEAR)])
case(KEY, UNTOLD, "no statistics", lambda: [resnet(), densenet(CLEAR)])
case(KEY, UNTOLD, "all columns, but no r", lambda: [resnet(CONSTANT), densenet(CONSTANT)])

LONG = learning(epochs=40)
IN_TURN = 2.0 + np.arange(EXAMPLES) % 9

KEY = "voc_resnet50_dct"
case(KEY, HOLDS, "in turn", lambda: [resnet({"dct_share": IN_TURN}, LONG)])
case(KEY, UNTOLD, "in turn, but 29 epochs", lambda: [resnet({"dct_share": IN_TURN}, LONG[:34])])
case(KEY, HOLDS, "in turn, 30 epochs", lambda: [resnet({"dct_share": IN_TURN}, LONG[:35])])
case(KEY, UNTOLD, "flat", lambda: [resnet({"dct_share": np.ones(EXAMPLES)}, LONG)])
case(KEY, FAILS, "rises", lambda: [resnet({"dct_share": RISING})])
case(KEY, FAILS, "falls", lambda: [resnet({"dct_share": FALLING})])
case(KEY, UNTOLD, "DenseNet121", lambda: [densenet({"dct_share": IN_TURN}, LONG)])

KEY = "voc_test_entropy"
case(KEY, HOLDS, "rises", lambda: [tested("voc", {"entropy": RISING})])
case(KEY, FAILS, "falls", lambda: [tested("voc", {"entropy": FALLING})])
case(KEY, UNTOLD, "known of train only", lambda: [on("voc", {"entropy": RISING})])

# --- KTH-TIPS2b -------------------------------------------------------------------------------
KTH = "kth_tips2b"
KEY = "kth_fall"
case(KEY, HOLDS, "all fall", lambda: [on(KTH, MUCH)])
case(KEY, FAILS, "one rises", lambda: [on(KTH, MUCH | {"segments": RISING})])
case(KEY, UNTOLD, "no statistics", lambda: [on(KTH)])

KEY = "kth_entropy"
case(KEY, HOLDS, "by a little", lambda: [on(KTH, {"entropy": 10 - RISING})])
case(KEY, FAILS, "by much", lambda: [on(KTH, {"entropy": 5 - RISING * 2})])
case(KEY, FAILS, "rises", lambda: [on(KTH, {"entropy": 10 + RISING})])
case(KEY, UNTOLD, "no statistics", lambda: [on(KTH)])


def kinds(first: str, last: str, column: str, others: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Types, one of which is learned before all others and one after them; "" for none."""
    n = np.arange(EXAMPLES)
    middle = np.array(others, object)[n % len(others)]
    found = np.where(n < 150, first or middle, np.where(n >= 450, last or middle, middle))
    return {column: found.astype(object)}


def lit(first: str, last: str, *others: str) -> dict[str, np.ndarray]:
    return kinds(first, last, "illumination", others)


KEY = "kth_illumination"
case(KEY, HOLDS, "frontal last", lambda: [on(KTH, lit("", "frontal", "top", "side"))])
case(KEY, FAILS, "frontal first", lambda: [on(KTH, lit("frontal", "", "top", "side"))])
case(KEY, FAILS, "no difference", lambda: [on(KTH, lit("", "", "top", "side", "frontal"))])
case(KEY, UNTOLD, "no such column", lambda: [on(KTH, MUCH)])
case(KEY, UNTOLD, "one type", lambda: [on(KTH, lit("", "", "frontal"))])


def turned(first: str, last: str, *others: str) -> dict[str, np.ndarray]:
    return kinds(first, last, "rotation", others)


KEY = "kth_rotation"
case(KEY, HOLDS, "frontal first", lambda: [on(KTH, turned("frontal", "", "left", "right"))])
case(KEY, FAILS, "frontal last", lambda: [on(KTH, turned("", "frontal", "left", "right"))])
case(KEY, UNTOLD, "no statistics", lambda: [on(KTH)])


def middle_last() -> np.ndarray:
    """Of scales 3, 5 and 7 those in the middle are learned last; the mean stays 5."""
    n = np.arange(EXAMPLES)
    return np.where(n < 300, np.where(n % 2, 3.0, 7.0), 5.0)


def unlike_scales() -> np.ndarray:
    """Nine scales of ten examples each, of which one is agreed on once less throughout."""
    right = learning(epochs=40, examples=90)
    right[:, :, 0] = False
    return right


KEY = "kth_scale"
ASCENDING = 2.0 + np.arange(EXAMPLES) // 67
case(KEY, HOLDS, "in turn", lambda: [run(LONG, data=KTH, columns={"scale": IN_TURN})])
case(KEY, UNTOLD, "in turn, but few epochs", lambda: [on(KTH, {"scale": IN_TURN})])
case(KEY, FAILS, "ascending", lambda: [on(KTH, {"scale": ASCENDING})])
case(KEY, FAILS, "the middle last, though the mean is flat", lambda: [
    run(LONG, data=KTH, columns={"scale": middle_last()})
])  # fmt: skip
case(KEY, UNTOLD, "differences as by chance", lambda: [
    run(unlike_scales(), data=KTH, columns={"scale": IN_TURN[:90]})
])  # fmt: skip
case(KEY, UNTOLD, "one scale", lambda: [run(LONG, data=KTH, columns={"scale": IN_TURN // 99})])
case(KEY, UNTOLD, "another network", lambda: [
    on(KTH, {"scale": ASCENDING}, networks=("lenet5",) * 2)
])  # fmt: skip
case(KEY, UNTOLD, "no statistics", lambda: [on(KTH)])

KEY = "kth_test_illumination"
case(KEY, HOLDS, "as in the paper", lambda: [
    tested(KTH, lit("ambient", "frontal", "top", "side"))
])  # fmt: skip
case(KEY, FAILS, "ambient is not first", lambda: [
    tested(KTH, lit("top", "frontal", "ambient", "side"))
])  # fmt: skip
case(KEY, FAILS, "frontal is not last", lambda: [
    tested(KTH, lit("ambient", "top", "frontal", "side"))
])  # fmt: skip
case(KEY, UNTOLD, "of train only", lambda: [on(KTH, lit("ambient", "frontal", "top", "side"))])

# --- ImageNet, CIFAR-10 -----------------------------------------------------------------------
WEAK = {"entropy": 10 - RISING / 2, "segments": 10 - RISING / 2, "dct_share": 10 - RISING / 2}
KEY = "imagenet_weak"
case(KEY, HOLDS, "fall a little", lambda: [on("imagenet", WEAK)])
case(KEY, HOLDS, "by another source", lambda: [on("tfds-imagenet2012", WEAK)])
case(KEY, FAILS, "one falls much", lambda: [on("imagenet", WEAK | {"segments": FALLING})])
case(KEY, FAILS, "one rises", lambda: [on("imagenet", WEAK | {"segments": 10 + RISING})])
case(KEY, UNTOLD, "no statistics", lambda: [on("imagenet")])

KEY = "cifar10_entropy"
case(KEY, HOLDS, "flat", lambda: [on("cifar10", {"entropy": 6.5 + RISING / 50})])
case(KEY, FAILS, "flat elsewhere", lambda: [on("cifar10", {"entropy": 6.3 + RISING / 50})])
case(KEY, FAILS, "not flat", lambda: [on("cifar10", {"entropy": 5.6 + RISING / 2})])
case(KEY, UNTOLD, "no statistics", lambda: [on("cifar10")])

KEY = "cifar10_fall"
case(KEY, HOLDS, "fall a little", lambda: [on("cifar10", LITTLE)])
case(KEY, FAILS, "one falls much", lambda: [on("cifar10", LITTLE | {"segments": FALLING})])
case(KEY, UNTOLD, "no statistics", lambda: [on("cifar10")])

KEY = "cifar10h_entropy"
case(KEY, HOLDS, "falls a little", lambda: [tested("cifar10", {"human_entropy": 5 - RISING / 2})])
case(KEY, FAILS, "rises", lambda: [tested("cifar10", {"human_entropy": RISING})])
case(KEY, UNTOLD, "not known", lambda: [tested("cifar10", {"entropy": RISING})])

# --- histograms -------------------------------------------------------------------------------
VALUES = 3000
_rng = np.random.default_rng(0)
GAUSSIAN = _rng.normal(5, 1, VALUES)
SKEWED = _rng.gamma(3, 1, VALUES)
PEAKS = np.where(_rng.random(VALUES) < 0.5, GAUSSIAN, GAUSSIAN + 6)
FEW = np.where(_rng.random(VALUES) < 0.7, 6.5, _rng.uniform(3, 6.6, VALUES))
EXPONENTIAL = -_rng.exponential(1, VALUES)


def drawn(data: str, columns: Any, n: int = VALUES) -> Run:
    chosen = {name: values[:n] for name, values in columns.items()}
    return run(nested(flat(0.5, 0.5, epochs=0), n), data=data, columns=chosen)


SHAPES = {
    "cifar10": {
        "dct_share": GAUSSIAN, "edge_strength": GAUSSIAN, "entropy": FEW, "segments": FEW,
    },
    "imagenet": {"dct_share": GAUSSIAN},
    "kth_tips2b": {
        "dct_share": PEAKS, "edge_strength": PEAKS,
        "entropy": EXPONENTIAL, "segments": -EXPONENTIAL,
    },
    "voc": {
        "entropy": -SKEWED, "segments": SKEWED, "dct_share": SKEWED, "search_difficulty": SKEWED,
        "edge_strength": PEAKS, "labels": FEW, "box_area": FEW,
    },
}  # fmt: skip


def _histogram_cases(data: str, columns: dict[str, np.ndarray]) -> None:
    key = f"histograms_{data}"
    case(key, HOLDS, "as in the paper", lambda: [drawn(data, columns)])
    for column, values in columns.items():
        other = GAUSSIAN if values is not GAUSSIAN else SKEWED
        changed = columns | {column: other}
        case(
            key, FAILS, f"{column} of another shape", lambda changed=changed: [drawn(data, changed)]
        )
    case(key, UNTOLD, "too few", lambda: [drawn(data, columns, 999)])
    case(key, UNTOLD, "no statistics", lambda: [on(data)])


for _data, _columns in SHAPES.items():
    _histogram_cases(_data, _columns)
