"""Findings on ImageNet and CIFAR-10: one object per picture, weak correlations."""

from __future__ import annotations

from jagree.study.findings.dynamics import DENSENET
from jagree.study.findings.trends import (
    CORRELATED,
    FLAT,
    SHOWN_MEANS,
    SLIGHT,
    Trend,
    each_column,
    falls_slightly,
)
from jagree.study.findings.verdicts import Finding, Judgement

WEAK = ("entropy", "segments", "dct_share")  # those that the paper names for ImageNet
FALLING = ("segments", "dct_share", "edge_strength")
ENTROPY, ENTROPY_ABOUT = 6.5, 0.15  # bit
SLIGHTLY = (
    f"r below 0 {CORRELATED}, and less than {SLIGHT} of its value from the first to the last "
    f"shown epoch; "
    f"{SHOWN_MEANS}"
)


def flat_entropy(trend: Trend) -> Judgement:
    """Whether the curve of the entropy is flat, and where the paper has it."""
    mean = float(trend.curve.mean())
    holds = abs(trend.change) < FLAT and abs(mean - ENTROPY) <= ENTROPY_ABOUT
    return holds, f"mean {mean:.3f} {trend.unit}; {trend}"


FINDINGS = (
    Finding(
        key="imagenet_weak",
        sentence="ImageNet: entropy, segments and DCT coefficients fall a little: weak, in the "
        "direction of KTH-TIPS2b.",
        source="v1 fig. 6",
        criterion=SLIGHTLY,
        needs="a run on ImageNet with statistics",
        check=each_column("train", dict.fromkeys(WEAK, falls_slightly)),
        data="imagenet",
        network=DENSENET,
    ),
    Finding(
        key="cifar10_entropy",
        sentence=f"CIFAR-10: entropy is flat near {ENTROPY} bits.",
        source="v1 fig. 16",
        criterion=f"changes by less than {FLAT} of its value, and its mean over "
        f"shown epochs within {ENTROPY_ABOUT} bit; {SHOWN_MEANS}",
        needs="a run on CIFAR-10 with statistics",
        check=each_column("train", {"entropy": flat_entropy}),
        data="cifar10",
        network=DENSENET,
    ),
    Finding(
        key="cifar10_fall",
        sentence="CIFAR-10: segments, DCT coefficients and the edge sum fall slightly.",
        source="v1 fig. 16",
        criterion=SLIGHTLY,
        needs="a run on CIFAR-10 with statistics",
        check=each_column("train", dict.fromkeys(FALLING, falls_slightly)),
        data="cifar10",
        network=DENSENET,
    ),
    Finding(
        key="cifar10h_entropy",
        sentence="CIFAR-10H, test: the entropy of people's labels falls slightly.",
        source="v1 sec. 6, fig. 7a",
        criterion=f"{SLIGHTLY}. (The released code joined the entropies of other images; here they "
        "are joined by index.)",
        needs="a run on CIFAR-10 with data.cifar10h set and statistics of the test images",
        check=each_column("test", {"human_entropy": falls_slightly}),
        data="cifar10",
        network=DENSENET,
    ),
)
