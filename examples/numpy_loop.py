"""Several softmax regressions, trained in plain NumPy and recorded for jagree's study.

    python examples/numpy_loop.py --workdir=runs/numpy_loop --epochs=15 --members=5
    python -m jagree.study runs/numpy_loop

The three lines that are jagree's are marked. Each of five classes is a cloud of points in 20
dimensions, and each point has a distance of its own from the middle of its cloud: what is far out
should be learned late, or by some members only.
"""

import argparse

import numpy as np

import jagree

CLASSES, DIMENSIONS, SIZES = 5, 20, {"train": 2_000, "test": 500}


def draw(seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Points [N, DIMENSIONS] and classes [N] of both splits."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(CLASSES, DIMENSIONS))
    x, y = {}, {}
    for split, n in SIZES.items():
        y[split] = rng.integers(CLASSES, size=n)
        spread = rng.uniform(0.2, 3, (n, 1))
        x[split] = middle[y[split]] + spread * rng.normal(size=(n, DIMENSIONS))
    return x, y


def main() -> None:
    """Train, record, say how to go on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", default="runs/numpy_loop", help="folder of the record")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--members", type=int, default=5, help="number of regressions")
    flags = parser.parse_args()

    x, y = draw(seed=0)
    # 1. Which examples there are.
    recorder = jagree.Recorder(
        flags.workdir, networks=["softmax"] * flags.members, data="clouds", **y
    )
    if recorder.epochs:
        parser.error(f"'{flags.workdir}' holds a record already; choose another --workdir")

    rngs = [np.random.default_rng([1, member]) for member in range(flags.members)]
    weights = [rng.normal(size=(DIMENSIONS, CLASSES)) for rng in rngs]
    for epoch in range(1, flags.epochs + 1):
        accuracy = []
        for member, (rng, weight) in enumerate(zip(rngs, weights, strict=True)):
            for index in np.array_split(rng.permutation(SIZES["train"]), 40):
                logits = x["train"][index] @ weight
                p = np.exp(logits - logits.max(1, keepdims=True))
                p /= p.sum(1, keepdims=True)
                error = p - np.eye(CLASSES)[y["train"][index]]
                weight -= 0.01 * x["train"][index].T @ error / len(index)

            for split in SIZES:
                logits = x[split] @ weight
                # 2. What this member says of these examples.
                recorder.add(split, np.arange(len(logits)), logits, member=member)
            accuracy.append(np.mean(logits.argmax(1) == y["test"]))
        # 3. The epoch is complete.
        recorder.commit(epoch)
        print(f"epoch {epoch}: test accuracy", *(f"{a:.4f}" for a in accuracy), flush=True)

    print(f"recorded; to study it: python -m jagree.study {flags.workdir}")


if __name__ == "__main__":
    main()
