import pytest
from ml_collections import ConfigDict

from jagree import commandline
from jagree import config as rules
from jagree.configs import default
from jagree.errors import UsageError

CASES = [
    ("network", "lenet", "unknown network 'lenet'"),
    ("data.name", "cifar", "unknown source 'cifar'"),
    ("members", 0, "members must be 1 or more, not 0"),
    ("epochs", 0, "epochs must be 1 or more"),
    ("batch_size", -1, "batch_size must be 1 or more"),
    ("seed", -1, "seed must be 0 or more"),
    ("optimizer.learning_rate", float("nan"), "optimizer.learning_rate must be 0 or more"),
    ("optimizer.name", "adamw", r"did you mean 'adam'\?\); known: adam, sgd"),
    ("optimizer.momentum", 1.0, r"optimizer.momentum must lie in \[0, 1\), not 1.0"),
    ("optimizer.momentum", -0.1, "optimizer.momentum must lie in"),
    ("optimizer.beta2", 1.0, r"optimizer.beta2 must lie in \[0, 1\), not 1.0"),
    ("optimizer.beta2", -0.1, "optimizer.beta2 must lie in"),
    ("optimizer.epsilon", 0.0, "optimizer.epsilon must be a finite number above 0, not 0.0"),
    ("optimizer.epsilon", float("inf"), "optimizer.epsilon must be a finite number above 0"),
    ("optimizer.epsilon", 1e-50, "optimizer.epsilon: 1e-50 would be 0 in float32, in which it is"),
    ("optimizer.epsilon", 1.17e-38, "is used; give 1.1754943508222875e-38 or more"),
    ("optimizer.learning_rate", 1e-39, "optimizer.learning_rate: 1e-39 would be 0 in float32"),
    ("optimizer.weight_decay", 1e-50, "optimizer.weight_decay: 1e-50 would be 0 in float32"),
    ("per_member.learning_rate", (1, 0, 1, 1, 1e-50), "per_member.learning_rate: 1e-50 would be"),
    ("per_member.weight_decay", (1e-50,) * 5, "per_member.weight_decay: 1e-50 would be 0"),
    ("schedule.name", "onecycle", "did you mean 'one_cycle'"),
    ("schedule.step_epochs", 0, "schedule.step_epochs must be 1 or more, not 0"),
    ("schedule.step_factor", 0.0, "schedule.step_factor must be a finite number above 0"),
    ("schedule.step_factor", float("nan"), "schedule.step_factor must be a finite number above 0"),
    ("schedule.rise", 0.0, "share of the run in which the rate goes up, above 0 and below 1, not"),
    ("schedule.rise", 1.0, "goes up, above 0 and below 1, not 1.0; PyTorch's is 0.3"),
    ("schedule.start_divisor", 0.99, "schedule.start_divisor must be a finite number of 1 or more"),
    ("schedule.start_divisor", float("inf"), "one_cycle starts at optimizer.learning_rate divided"),
    ("schedule.end_divisor", 0.0, "schedule.end_divisor must be a finite number above 0, not 0.0"),
    ("schedule.momentum_low", -0.1, r"schedule.momentum_low must lie in \[0, 1\), not -0.1"),
    ("schedule.momentum_high", 1.0, r"schedule.momentum_high must lie in \[0, 1\), not 1.0"),
    ("schedule.momentum_low", 0.96, "momentum_low=0.96 is above schedule.momentum_high=0.95"),
    ("recording.mode", "off", "known: epoch_end, online"),
    (
        "precision",
        "float16",
        "'float16'; known: float32, tensorfloat32, bfloat16",
    ),
    ("per_member.learning_rate", (0.1,), r"1 value for 5 members; .* set members=1\), or none"),
    ("per_member.network", ("lenet5",) * 4, "per_member.network has 4 values for 5 members"),
    ("per_member.network", ("lenet5",) * 4 + ("vgg",), "did you mean 'vgg16'"),
    ("per_member.network", (5, 5, 5, 5, 5), "unknown network '5'"),
    ("per_member.weight_decay", (0.1, 0.1, 0.1, 0.1, -0.1), "numbers of 0 or more"),
    ("study.leave_out", (5,), "must name members of 0..4, not"),
    ("study.leave_out", (0, 1, 2, 3, 4), "leaves no member to study"),
    ("study.resamples", 99, "must be 100 or more, for the ends of an interval of 95 %, not 99"),
    ("study.seed", -1, "study.seed must be 0 or more"),
    ("study.palette", "pastel", "unknown study.palette 'pastel'; known: safe, paper"),
    ("name", "a/b", "usable as the name of a folder"),
    ("name", "", "usable as the name of a folder"),
    ("training.eval_batch_size", -1, "training.eval_batch_size must be 0 or more"),
    ("statistics.names", ("entropy", "edge"), "unknown statistic 'edge'"),
    ("statistics.names", ("entropy", "entropy"), "has a name twice"),
    ("statistics.names", (), "statistics.names is empty; name some of"),
    ("statistics.resize", 5000, "statistics.resize must be at most 4096, not 5000"),
    ("statistics.resized", ("edge",), "unknown statistic 'edge'"),
    ("statistics.resize", -1, "statistics.resize must be 0 or more"),
    ("statistics.workers", -1, "statistics.workers must be 0 or more"),
    ("statistics.edges.repeats", 0, "statistics.edges.repeats must be 1 or more"),
    ("statistics.edges.preset", "fast", "unknown edge preset 'fast'"),
    ("training.engine", "pmap", "unknown training.engine 'pmap'; known: auto, vmap, loop"),
    ("training.feed", "file", "unknown training.feed 'file'; known: auto, resident, stream"),
    ("training.feed_workers", -1, "training.feed_workers must be 0 or more"),
    ("task", "multilabel", "did you mean 'multi_label'"),
    ("data.label_noise", 1.1, "is a probability, 0 to 1, not 1.1"),
    ("data.label_noise", float("nan"), "is a probability, 0 to 1, not nan"),
    ("per_member.label_noise", (0.0, 0.5, 1.0, 1.5, 0.0), "must hold probabilities, not"),
    ("data.test_share", 1.0, r"must lie in \[0, 1\), not 1.0"),
    ("data.workers", -1, "data.workers must be 0 or more"),
    ("data.resize", 5000, "data.resize must be at most 4096"),
    ("data.crop", -1, "data.crop must be 0 or more"),
    ("data.set", "mnist", "data.name is 'controlled', which is a single one"),
    ("training.checkpoint_steps", -1, "training.checkpoint_steps must be 0 or more"),
    ("training.checkpoint_every", 0, "training.checkpoint_every must be 1 or more"),
]


@pytest.mark.parametrize(("field", "value", "message"), CASES)
def test_a_wrong_value_is_named_with_its_remedy(field: str, value: object, message: str) -> None:
    config = default.get_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UsageError, match=message):
        rules.check(config)


def test_a_crop_must_fit_the_resized_images() -> None:
    config = default.get_config()
    config.data.resize, config.data.crop = 224, 224
    rules.check(config)
    config.data.crop = 225
    with pytest.raises(UsageError, match=r"data.crop=225 does not fit into images whose shorter"):
        rules.check(config)


def test_a_test_split_and_a_held_out_share_exclude_each_other() -> None:
    config = default.get_config()
    config.data.test_split, config.data.test_share = "validation", 0.2
    with pytest.raises(UsageError, match=r"data.test_split='validation' names another; give one"):
        rules.check(config)


def test_the_task_is_the_one_that_the_labels_ask_for() -> None:
    config = default.get_config()
    assert rules.task_name(config, multi_label=False) == "single_label"
    assert rules.task_name(config, multi_label=True) == "multi_label"
    config.task = "multi_label"
    assert rules.task_name(config, multi_label=True) == "multi_label"
    with pytest.raises(UsageError, match="has one class; set task=single_label, or auto"):
        rules.task_name(config, multi_label=False)


def test_the_default_config_is_valid() -> None:
    rules.check(default.get_config())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("optimizer.momentum", 0.0),
        ("optimizer.beta2", 0.0),
        ("optimizer.epsilon", 1.1754943508222875e-38),
        ("optimizer.learning_rate", 0.0),
        ("optimizer.weight_decay", 0.0),
        ("per_member.learning_rate", (0.0, 1.1754943508222875e-38, 0, 1, 1e4)),
        ("schedule.step_epochs", 1),
        ("schedule.step_factor", 2.0),
        ("schedule.start_divisor", 1.0),
        ("schedule.end_divisor", 0.5),
        ("schedule.momentum_low", 0.0),
        ("schedule.momentum_low", 0.95),
    ],
)
def test_the_ends_of_what_a_recipe_allows_are_allowed(field: str, value: object) -> None:
    config = default.get_config()
    config.update_from_flattened_dict({field: value})
    rules.check(config)


def test_an_unknown_field_suggests_the_nearest() -> None:
    config = default.get_config()
    config.optimizer.momentun = 0.5
    with pytest.raises(
        UsageError, match=r"'optimizer.momentun', did you mean 'optimizer.momentum'"
    ):
        rules.check(config)


def test_an_unknown_field_suggests_its_name_elsewhere() -> None:
    with pytest.raises(UsageError, match=r"'training.batch_size', did you mean 'batch_size'"):
        rules.check_known(["training.batch_size"])


def test_a_slip_of_the_pen_in_the_section_is_seen() -> None:
    with pytest.raises(UsageError, match=r"'optimizr.name', did you mean 'optimizer.name'"):
        rules.check_known(["optimizr.name"])


def test_a_missing_field_says_where_to_start() -> None:
    with pytest.raises(
        UsageError, match=r"lacks 'batch_size'; start it from jagree.configs.default"
    ):
        rules.check(ConfigDict())


def test_a_wrong_type_is_named() -> None:
    config = default.get_config()
    with config.ignore_type():
        config.epochs = True
    with pytest.raises(UsageError, match="epochs must be of type int, not True"):
        rules.check(config)


def test_differences_name_what_may_not_change_and_ignore_what_may() -> None:
    old = default.get_config()
    new = default.get_config()
    new.training.engine = "vmap"
    new.data.dir = "elsewhere"
    assert rules.differences(old.to_dict(), new.to_dict()) == []
    new.study.leave_out = (1,)
    assert rules.differences(old.to_dict(), new.to_dict()) == []
    new.recording.mode = "online"
    assert rules.differences(old.to_dict(), new.to_dict()) == [
        "recording.mode is 'online', was 'epoch_end'"
    ]
    new.recording.mode = "epoch_end"
    new.optimizer.learning_rate = 0.2
    assert rules.differences(old.to_dict(), new.to_dict()) == [
        "optimizer.learning_rate is 0.2, was 0.1"
    ]


def test_differences_see_through_json() -> None:
    """Tuples become lists in run.json: not a difference."""
    old = default.get_config().to_dict()
    new = {**old, "per_member": {field: [] for field in old["per_member"]}}
    assert rules.differences(old, new) == []


def test_a_field_added_since_a_run_began_counts_as_its_default() -> None:
    new = default.get_config()
    old = new.to_dict()
    del old["precision"], old["optimizer"]["beta2"]
    assert rules.differences(old, new.to_dict()) == []
    new.precision = "bfloat16"
    assert rules.differences(old, new.to_dict()) == ["precision is 'bfloat16', was 'float32'"]


def test_members_take_their_own_values() -> None:
    config = default.get_config()
    config.members = 2
    assert rules.per_member(config, "network") == ("lenet5", "lenet5")
    config.per_member.network = ("vgg16", "lenet5")
    assert rules.per_member(config, "network") == ("vgg16", "lenet5")
    rules.check(config)
    config.per_member.learning_rate = (0.1, 1e4)
    assert rules.per_member(config, "learning_rate") == (0.1, 1e4)
    assert rules.per_member(config, "weight_decay") == (5e-4, 5e-4)


def test_a_batch_may_be_as_large_as_the_split_and_no_larger() -> None:
    config = default.get_config()
    rules.check_against_data(config, 128)
    with pytest.raises(UsageError, match="batch_size is 128, but the train split has only 127"):
        rules.check_against_data(config, 127)
    with pytest.raises(UsageError, match="has only 1 example; choose 1 or less"):
        rules.check_against_data(config, 1)


def test_a_list_of_names_is_one_even_without_brackets() -> None:
    config = default.get_config()
    config.statistics.names = ("entropy, segments", "dct_share")
    commandline._split_names(config)
    assert config.statistics.names == ("entropy", "segments", "dct_share")
    assert config.per_member.learning_rate == ()
    config.statistics.resized = ("",)
    commandline._split_names(config)
    assert config.statistics.resized == ()
