"""vmapped = looped = each member trained alone, and members differ."""

import dataclasses
import functools
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.data import Split
from jagree.data.sources.controlled import load
from jagree.networks.lenet5 import LeNet5
from jagree.training import optimizers, tasks
from jagree.training.engines import at_once
from jagree.training.ensemble import Ensemble, choose_engine
from jagree.training.feed import ResidentFeed
from jagree.training.optimizers import Hyper
from jagree.training.state import MemberState, init_members, member_shape
from jagree.training.steps import Learner, eval_step, train_step
from tests.training.feeds import make_plan

N, BATCH, MEMBERS = 88, 24, 3  # three full batches and one of 16
OPTIMIZER = optimizers.sgd(ConfigDict())
LEARNER = Learner(LeNet5(classes=10), tasks.SINGLE_LABEL, OPTIMIZER)
RATES = (0.05, 0.02, 0.08, 0.03, 0.1)
DECAYS = (0.0, 5e-4, 1e-3, 0.0, 1e-4)


@functools.cache
def data() -> Split:
    return load("train", ConfigDict({"train_size": N, "test_size": 0, "seed": 0}))


def make_feed(members: int, steps_per_dispatch: int) -> ResidentFeed:
    plan = make_plan(
        data(),
        members=members,
        seed=3,
        batch_size=BATCH,
        eval_batch_size=50,
        steps_per_dispatch=steps_per_dispatch,
        eval_steps_per_dispatch=steps_per_dispatch,
    )
    return ResidentFeed(plan)


def states(members: int) -> list[MemberState]:
    return init_members(LEARNER.network, OPTIMIZER, (32, 32, 3), seed=3, members=range(members))


def lifted(engine: str, members: int = MEMBERS, steps_per_dispatch: int = 1):
    return _lifted(engine, members, steps_per_dispatch)


@functools.cache
def _lifted(engine: str, members: int, steps_per_dispatch: int):
    """(stacked parameters, losses [K, steps], predictions [K, N], log_prob) after two epochs."""
    feed = make_feed(members, steps_per_dispatch)
    ensemble = Ensemble(LEARNER, states(members), engine=engine, with_outcome=True)
    losses = []
    for epoch in (1, 2):
        for batch in feed.train_batches(epoch):
            per_step = batch.position.shape[:2]
            hyper = Hyper(
                np.broadcast_to(np.float32(RATES[:members])[:, None], per_step),
                np.broadcast_to(np.float32(DECAYS[:members])[:, None], per_step),
                np.full(per_step, 0.9, np.float32),
            )
            trained = ensemble.gather(ensemble.train(feed.data, batch.inputs, hyper))
            assert trained.outcome.prediction.shape == batch.position.shape
            losses.append(trained.loss)
    outcomes = [
        jax.tree.map(
            lambda x, p=batch.position: x[:, p >= 0],
            ensemble.gather(ensemble.evaluate(feed.data, batch.inputs)),
        )
        for batch in feed.eval_batches()
    ]
    prediction, log_prob = (
        np.concatenate([getattr(o, field) for o in outcomes], axis=1)
        for field in ("prediction", "log_prob")
    )
    return jax.device_get(ensemble.stacked), np.concatenate(losses, 1), prediction, log_prob


@functools.cache
def alone(member: int):
    """The slow, obvious twin: one member, one jitted step, NumPy batches."""
    state, split = states(MEMBERS)[member], data()
    image, label = jnp.array(split.image), jnp.array(split.label)
    step = jax.jit(functools.partial(train_step, LEARNER))
    losses = []
    for epoch in (1, 2):
        for dispatch in make_feed(MEMBERS, 1).train_batches(epoch):
            batch = dispatch.position[member, 0]
            hyper = Hyper(*np.float32([RATES[member], DECAYS[member], 0.9]))
            state, loss, _ = step(state, image[batch], label[batch], hyper)
            losses.append(float(loss))
    outcome = eval_step(LEARNER, state, image, label)
    return jax.device_get(state), np.array(losses), outcome.prediction, outcome.log_prob


@pytest.mark.parametrize(("engine", "steps"), [("loop", 1), ("vmap", 1), ("loop", 3), ("vmap", 3)])
def test_an_engine_gives_what_each_member_gives_alone(engine: str, steps: int) -> None:
    state, losses, prediction, log_prob = lifted(engine, MEMBERS, steps)
    for member in range(MEMBERS):
        own, own_losses, own_prediction, own_log_prob = alone(member)
        np.testing.assert_allclose(losses[member], own_losses, rtol=1e-4)
        np.testing.assert_array_equal(prediction[member], own_prediction)
        np.testing.assert_allclose(log_prob[member], own_log_prob, rtol=5e-3, atol=5e-4)
        ours = jax.tree.leaves(jax.tree.map(lambda x, k=member: x[k], state))
        for a, b in zip(ours, jax.tree.leaves(own), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("engine", ["loop", "vmap"])
def test_member_1_of_2_is_member_1_of_5(engine: str) -> None:
    of_two, of_five = lifted(engine, 2), lifted(engine, 5)
    np.testing.assert_array_equal(of_two[2][1], of_five[2][1])
    np.testing.assert_allclose(of_two[1][1], of_five[1][1], rtol=1e-4)
    if engine == "loop":  # one program serves any K: the same bits
        np.testing.assert_array_equal(of_two[1], of_five[1][:2])


def test_members_differ_from_one_another() -> None:
    first = [s.params["Conv_0"]["kernel"] for s in states(3)]
    assert not np.allclose(first[0], first[1])
    _, losses, prediction, _ = lifted("loop")
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not np.allclose(losses[a], losses[b], rtol=1e-2)
        assert not np.array_equal(prediction[a], prediction[b])


def test_initial_weights_do_not_depend_on_how_many_there_are() -> None:
    for a, b in zip(states(2), states(3)[:2], strict=True):
        jax.tree.map(np.testing.assert_array_equal, a, b)


def test_another_seed_gives_other_weights() -> None:
    (a,) = init_members(LEARNER.network, OPTIMIZER, (32, 32, 3), seed=3, members=[0])
    (b,) = init_members(LEARNER.network, OPTIMIZER, (32, 32, 3), seed=4, members=[0])
    assert not np.allclose(a.params["Conv_0"]["kernel"], b.params["Conv_0"]["kernel"])


@pytest.mark.parametrize("engine", ["loop", "vmap"])
def test_stacked_states_can_be_put_back_into_either_engine(engine: str) -> None:
    saved = lifted("loop")[0]
    ensemble = Ensemble(LEARNER, states(MEMBERS), engine=engine)
    ensemble.stacked = jax.device_put(saved)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(ensemble.stacked), saved)
    feed = make_feed(MEMBERS, 1)
    batch = next(iter(feed.eval_batches()))
    found = ensemble.gather(ensemble.evaluate(feed.data, batch.inputs))
    found = found.prediction[:, batch.position >= 0]
    np.testing.assert_array_equal(found, lifted("loop")[2][:, :50])


@pytest.fixture
def compilations():
    """Names of the programs compiled since the start of the test."""
    names: list[str] = []

    def listen(event: str, duration: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("engine", ["loop", "vmap"])
def test_a_second_call_compiles_nothing_new(engine: str, compilations: list[str]) -> None:
    feed = make_feed(MEMBERS, 1)
    ensemble = Ensemble(LEARNER, states(MEMBERS), engine=engine)
    hyper = Hyper(*(np.full((MEMBERS, 1), v, np.float32) for v in (0.1, 0.0, 0.9)))
    first, second, *_ = feed.train_batches(1)
    ensemble.gather(ensemble.train(feed.data, first.inputs, hyper))
    before = len(compilations)
    assert before > 0
    changed = Hyper(*(values / 2 for values in hyper))
    ensemble.gather(ensemble.train(feed.data, second.inputs, changed))
    assert len(compilations) == before


@pytest.mark.parametrize("engine", ["loop", "vmap"])
def test_a_step_takes_the_memory_of_the_states_before_it(engine: str) -> None:
    feed, ensemble = make_feed(MEMBERS, 1), Ensemble(LEARNER, states(MEMBERS), engine=engine)
    before = jax.tree.leaves(ensemble._states)
    assert len(before) == len(jax.tree.leaves(states(1))) * (MEMBERS if engine == "loop" else 1)
    hyper = Hyper(*(np.full((MEMBERS, 1), v, np.float32) for v in (0.1, 0.0, 0.9)))
    ensemble.train(feed.data, next(iter(feed.train_batches(1))).inputs, hyper)
    assert all(leaf.is_deleted() for leaf in before)


def test_the_engine_is_chosen_by_the_device_and_says_why() -> None:
    assert choose_engine("auto", "cpu")[0] == "loop"
    assert choose_engine("auto", "cpu", "too large")[0] == "loop"
    for backend in ("gpu", "tpu"):
        engine, reason = choose_engine("auto", backend)
        assert engine == "vmap"
        assert "not measured" in reason
        assert choose_engine("auto", backend, "too large") == ("loop", "too large")
    for engine in ("vmap", "loop"):
        assert choose_engine(engine, "gpu", "too large") == (engine, "as configured")


def test_a_cpu_runs_as_many_members_as_it_has_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jagree.pool.cores", lambda: 4)
    assert [at_once(members) for members in (1, 3, 4, 9)] == [1, 3, 4, 4]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert at_once(9) == 1


def shapes(members: int) -> list[MemberState]:
    return [member_shape(LEARNER.network, OPTIMIZER, (32, 32, 3))] * members


def test_the_shapes_of_states_are_those_of_the_states() -> None:
    jax.tree.map(
        lambda shape, array: np.testing.assert_equal(
            (shape.shape, shape.dtype, shape.sharding), (array.shape, array.dtype, array.sharding)
        ),
        shapes(1),
        states(1),
    )


@pytest.mark.parametrize("engine", ["loop", "vmap"])
def test_an_ensemble_of_shapes_becomes_one_of_states(engine: str) -> None:
    planned = Ensemble(LEARNER, shapes(MEMBERS), engine=engine)
    of_arrays = Ensemble(LEARNER, states(MEMBERS), engine=engine)
    jax.tree.map(
        lambda shape, array: np.testing.assert_equal(shape.shape, array.shape),
        planned.stacked,
        of_arrays.stacked,
    )
    planned.begin(state for state in states(MEMBERS))
    jax.tree.map(np.testing.assert_array_equal, planned.stacked, of_arrays.stacked)
    for k, state in enumerate(states(MEMBERS)):
        row = jax.tree.map(lambda x, k=k: x[k], planned.stacked)
        jax.tree.map(np.testing.assert_array_equal, row, state)


def test_states_are_stacked_without_having_all_of_them_twice() -> None:
    kernels, most = [], 0

    def one_after_the_other():
        nonlocal most
        for k in range(4):
            state = init_members(LEARNER.network, OPTIMIZER, (32, 32, 3), seed=3, members=[k])
            kernels.append(weakref.ref(state[0].params["Conv_0"]["kernel"]))
            yield state.pop()
            most = max(most, sum(kernel() is not None for kernel in kernels))

    Ensemble(LEARNER, shapes(4), engine="vmap").begin(one_after_the_other())
    assert most == 1  # the one that was handed over last


@pytest.mark.parametrize("engine", ["loop", "vmap"])
def test_members_are_trained_and_judged_on_their_own_labels(engine: str) -> None:
    """Member 1 with its own labels is the member 1 of an ensemble in which all have these."""
    own = (data().label + 3) % 10
    label = np.stack([data().label, own])

    def trained(label: np.ndarray):
        split = dataclasses.replace(data(), label=label, true_label=data().label)
        feed = ResidentFeed(
            make_plan(split, members=2, batch_size=BATCH, eval_batch_size=N, steps_per_dispatch=1)
        )
        ensemble = Ensemble(LEARNER, states(2), engine=engine)
        losses = []
        for batch in feed.train_batches(1):
            hyper = Hyper(*np.float32([[[0.05]] * 2, [[0.0]] * 2, [[0.9]] * 2]))
            losses.append(ensemble.gather(ensemble.train(feed.data, batch.inputs, hyper)).loss)
        (batch,) = feed.eval_batches()
        return np.array(losses), ensemble.gather(ensemble.evaluate(feed.data, batch.inputs))

    losses, outcome = trained(label)
    for k, everybody in enumerate((data().label, own)):
        of_all, outcome_of_all = trained(everybody)
        np.testing.assert_allclose(losses[:, k], of_all[:, k], rtol=1e-6)
        np.testing.assert_allclose(outcome.log_prob[k], outcome_of_all.log_prob[k], rtol=1e-5)
        assert not np.allclose(losses[:, 1 - k], of_all[:, 1 - k], rtol=1e-3)
