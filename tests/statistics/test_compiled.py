import numba
import pytest

from jagree.statistics.compiled import compiled


def add(a: float, b: float) -> float:
    return a + b


def test_without_a_place_to_cache_it_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    njit = numba.njit
    asked = []

    def nowhere(*functions, cache: bool = False, **options):
        if functions == (add,):
            asked.append(cache)
        if cache:  # as Numba does where no folder can be written to
            raise RuntimeError("cannot cache function 'add': no locator available")
        return njit(*functions, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    assert compiled(add)(1.0, 2.0) == 3.0
    assert asked == [True, False]
