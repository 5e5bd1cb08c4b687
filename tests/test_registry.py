import pytest

from jagree import registry
from jagree.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "name"), [(k, n) for k, names in registry.TABLE.items() for n in names]
)
def test_every_entry_can_be_loaded(kind: str, name: str) -> None:
    assert registry.load(kind, name) is not None


def test_an_unknown_name_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown network 'lenet' .*'lenet5'.*known: .*lenet5"):
        registry.load("network", "lenet")


def test_an_unknown_name_far_from_all_suggests_none() -> None:
    with pytest.raises(UsageError, match=r"unknown source 'zzz'; known: cifar10, controlled"):
        registry.check("source", "zzz")
