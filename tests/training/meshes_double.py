"""LeNet5 in double precision on meshes of eight devices, in a process of its own.

In single precision a unit whose input is within rounding of 0 falls on either side of its ReLU, and
a member in which one does so differs by 1e-3 and more after a few steps: no measure of an error.
"""

import json
import sys
from typing import Any

import numpy as np

SHAPES = ((1, 1), (5, 1), (8, 1), (4, 2), (1, 8))
MEMBERS = (1, 5, 8)


def main() -> None:
    """Print, by mesh and number of members, the largest difference of a parameter from 1x1's."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from jagree import data
    from jagree.networks.lenet5 import LeNet5
    from jagree.training import optimizers, tasks
    from jagree.training.ensemble import Ensemble
    from jagree.training.feed import ResidentFeed
    from jagree.training.mesh import MeshShape, Placement
    from jagree.training.optimizers import Hyper
    from jagree.training.state import init_members
    from jagree.training.steps import Learner
    from tests.training.feeds import make_plan
    from tests.training.meshes import short

    config = short({})
    split = data.load(config.data)["train"]
    optimizer = optimizers.sgd(config.optimizer)
    network = LeNet5(classes=10, dtype="float64")
    learner = Learner(network, tasks.SINGLE_LABEL, optimizer)
    fresh = init_members(network, optimizer, (32, 32, 3), seed=0, members=range(max(MEMBERS)))
    doubled = jax.tree.map(lambda x: np.asarray(x, np.float64), fresh)

    def trained(shape: tuple[int, int], members: int) -> list[Any]:
        placement = Placement(MeshShape(*shape))
        plan = make_plan(split, members=members, batch_size=48, steps_per_dispatch=1)
        feed = ResidentFeed(plan, placement.everywhere)
        states = [jax.tree.map(jax.numpy.array, state) for state in doubled[:members]]
        ensemble = Ensemble(learner, states, engine="loop", placement=placement)
        for epoch in (1, 2):
            for batch in feed.train_batches(epoch):
                hyper = Hyper(*(np.full((members, 1), value) for value in (0.05, 5e-4, 0.9)))
                ensemble.gather(ensemble.train(feed.data, batch.inputs, hyper))
        leaves = jax.tree.leaves(jax.device_get(ensemble.stacked))
        assert all(leaf.dtype == np.float64 for leaf in leaves)
        return leaves

    one = trained((1, 1), max(MEMBERS))
    found = {}
    for shape in SHAPES:
        for members in MEMBERS:
            both = zip(trained(shape, members), one, strict=True)
            largest = max(np.abs(a - b[:members]).max() for a, b in both)
            found[f"{shape[0]}x{shape[1]} of {members}"] = float(largest)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
