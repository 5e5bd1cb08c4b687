"""Several perceptrons of scikit-learn, trained epoch by epoch and recorded for jagree's study.

    python examples/sklearn_loop.py --workdir=runs/sklearn_loop --epochs=10 --members=5
    python -m jagree.study runs/sklearn_loop

The three lines that are jagree's are marked. The data are the 1,797 digits of 8x8 pixels that come
with scikit-learn.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import jagree


def main() -> None:
    """Train, record, say how to go on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", default="runs/sklearn_loop", help="folder of the record")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--members", type=int, default=5, help="number of networks")
    flags = parser.parse_args()

    pixels, digit = load_digits(return_X_y=True)
    parts = train_test_split(pixels / 16, digit, test_size=0.25, random_state=0)
    x = dict(zip(("train", "test"), parts[:2], strict=True))
    y = dict(zip(("train", "test"), parts[2:], strict=True))

    # 1. Which examples there are.
    recorder = jagree.Recorder(
        flags.workdir, networks=["perceptron"] * flags.members, data="digits", **y
    )
    if recorder.epochs:
        parser.error(f"'{flags.workdir}' holds a record already; choose another --workdir")

    nets = [MLPClassifier((64,), random_state=member) for member in range(flags.members)]
    for epoch in range(1, flags.epochs + 1):
        for member, net in enumerate(nets):
            net.partial_fit(x["train"], y["train"], classes=np.arange(10))  # one epoch
            for split in ("train", "test"):
                index = np.arange(len(y[split]))
                # 2. What this member says of these examples; log probabilities are as good as
                #    logits.
                recorder.add(split, index, net.predict_log_proba(x[split]), member=member)
        # 3. The epoch is complete.
        recorder.commit(epoch)
        accuracy = [net.score(x["test"], y["test"]) for net in nets]
        print(f"epoch {epoch}: test accuracy", *(f"{a:.4f}" for a in accuracy), flush=True)

    print(f"recorded; to study it: python -m jagree.study {flags.workdir}")


if __name__ == "__main__":
    main()
