"""Several small networks, trained by a PyTorch loop and recorded for jagree's study.

    python examples/pytorch_loop.py --workdir=runs/pytorch_loop --epochs=6 --members=3
    python -m jagree.study runs/pytorch_loop

The three lines that are jagree's are marked; the rest is the usual loop. The pictures are
synthetic and drawn here: ten shapes among clutter, 2,000 to train on and 500 to test.
"""

import argparse

import torch
from torch import nn

import jagree
from jagree import data
from jagree.configs import default


def network() -> nn.Module:
    """Three convolutions, for pictures of 32x32 pixels and ten classes."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 8), (8, 16), (16, 16)):
        layers += [nn.Conv2d(inputs, outputs, 5, padding=2), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers.append(nn.AvgPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 4 * 4, 10))


def main() -> None:
    """Train, record, say how to go on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", default="runs/pytorch_loop", help="folder of the record")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--members", type=int, default=3, help="number of networks")
    flags = parser.parse_args()

    options = default.get_config().data
    options.train_size, options.test_size = 2_000, 500
    splits = data.load(options)
    x, y = {}, {}
    for name, split in splits.items():
        image = torch.from_numpy(split.image).permute(0, 3, 1, 2) / 255
        x[name] = image - image.mean((1, 2, 3), keepdim=True)
        y[name] = torch.from_numpy(split.label).long()

    # 1. Which examples there are. Labels alone would do as well: **y.
    recorder = jagree.Recorder(
        flags.workdir,
        networks=["cnn"] * flags.members,
        data="controlled",
        class_names=splits["train"].class_names,
        **{n: jagree.Examples(s.label, id=s.id, image=s.image) for n, s in splits.items()},
    )
    if recorder.epochs:
        parser.error(f"'{flags.workdir}' holds a record already; choose another --workdir")

    torch.set_num_threads(1)  # of a network this small they mostly wait for one another
    nets, optimizers = [], []
    for member in range(flags.members):
        torch.manual_seed(member)
        nets.append(network())
        optimizers.append(torch.optim.Adam(nets[-1].parameters(), lr=0.003))

    for epoch in range(1, flags.epochs + 1):
        accuracy = []
        for member, (net, optimizer) in enumerate(zip(nets, optimizers, strict=True)):
            net.train()
            for index in torch.randperm(len(y["train"])).split(50):
                loss = nn.functional.cross_entropy(net(x["train"][index]), y["train"][index])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            net.eval()
            for name in splits:
                right = 0
                for index in torch.arange(len(y[name])).split(500):
                    with torch.inference_mode():
                        logits = net(x[name][index])
                    # 2. What this member says of these examples.
                    recorder.add(name, index, logits, member=member)
                    right += int((logits.argmax(1) == y[name][index]).sum())
            accuracy.append(right / len(y["test"]))
        # 3. The epoch is complete.
        recorder.commit(epoch)
        print(f"epoch {epoch}: test accuracy", *(f"{a:.4f}" for a in accuracy), flush=True)

    print(f"recorded; to study it: python -m jagree.study {flags.workdir}")


if __name__ == "__main__":
    main()
