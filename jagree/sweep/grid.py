"""Which fields vary over which values, and in which combinations: ``--grid=batch_size=32,128``."""

import importlib.util
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from jagree import config as rules
from jagree.errors import UsageError
from jagree.words import counted

COMBINATIONS = ("product", "zip")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}
_SHAPE = "a grid is field=a,b,c, such as --grid=batch_size=32,128"


@dataclass(frozen=True)
class Grid:
    """Values of some fields.

    Attributes
    ----------
    values : mapping of str to tuple
        Dotted field to one value or more of the field's type.
    combine : str
        "product": each value with each of every other field; "zip": the first values of all
        fields, the second ones, ...
    """

    values: Mapping[str, tuple[Any, ...]]
    combine: str = "product"

    def points(self) -> list[dict[str, Any]]:
        """The combinations, the last field varying fastest; each changes the same fields.

        Raises
        ------
        UsageError
            If there is no field or value, a combination comes twice, or fields that are zipped
            have different numbers of values.
        """
        if self.combine not in COMBINATIONS:
            raise UsageError(
                f"unknown combination '{self.combine}'; known: {', '.join(COMBINATIONS)}"
            )
        if not self.values:
            raise UsageError(f"the grid has no field; {_SHAPE}")
        for field, values in self.values.items():
            if not values:
                raise UsageError(f"the grid has no value for {field}; {_SHAPE}")
        if self.combine == "zip" and len({len(v) for v in self.values.values()}) > 1:
            each = ", ".join(f"{f} has {len(v)}" for f, v in self.values.items())
            raise UsageError(f"zip takes as many values of each field, and {each}")
        join = zip if self.combine == "zip" else itertools.product
        rows = join(*self.values.values())
        found = [dict(zip(self.values, row, strict=True)) for row in rows]
        for position, point in enumerate(found):
            if point in found[:position]:
                told = ", ".join(f"{f}={v}" for f, v in point.items())
                raise UsageError(f"the grid has {told} twice; once is enough")
        return found


def parse(texts: Sequence[str], combine: str = "product") -> Grid:
    """The grid that flags describe.

    Parameters
    ----------
    texts : sequence of str
        Each ``field=a,b,c``. The values of a field that is a list are lists themselves, and stand
        between semicolons: ``per_member.network=lenet5,vgg16;lenet5,lenet5``.
    combine : str
        One of `COMBINATIONS`.

    Raises
    ------
    UsageError
        If a field is unknown or given twice, or a value is not of the field's type.
    """
    values: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        field, equals, rest = (part.strip() for part in text.partition("="))
        if not field or not equals:
            raise UsageError(f"--grid={text}: {_SHAPE}")
        if field in values:
            raise UsageError(f"--grid has {field} twice; name all of its values in one")
        default = _default(field)
        separator = ";" if isinstance(default, tuple) else ","
        words = [word.strip() for word in rest.split(separator)]
        if "" in words:
            raise UsageError(f"--grid={text}: a value is missing; {_SHAPE}")
        values[field] = tuple(_read(field, word, default) for word in words)
    return Grid(values, combine)


def of_file(path: str | Path) -> Grid | None:
    """The grid of a config file that has one: what its ``get_grid()`` returns.

    Parameters
    ----------
    path : path
        Of a file whose ``get_grid()`` gives a mapping of fields to lists of values and one of
        `COMBINATIONS`.

    Returns
    -------
    Grid or None
        None if the file has no ``get_grid``.
    """
    get_grid = getattr(_module(path), "get_grid", None)
    if get_grid is None:
        return None
    found = get_grid()
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], Mapping)):
        raise UsageError(
            f"get_grid() of '{path}' must return fields with their values, and one of "
            f'{", ".join(COMBINATIONS)}: {{"batch_size": (32, 128)}}, "product"'
        )
    values = {
        field: tuple(_typed(field, value, _default(field)) for value in _listed(field, many))
        for field, many in found[0].items()
    }
    return Grid(values, found[1])


def together(own: Grid | None, flags: Sequence[str], combine: str | None) -> Grid:
    """A file's own grid as changed by flags: fields are added, or given other values.

    Parameters
    ----------
    own : Grid or None
        Of the file.
    flags : sequence of str
        As `parse` takes them.
    combine : str or None
        One of `COMBINATIONS`; None: the file's own, or "product".

    Raises
    ------
    UsageError
        If there is no grid at all, or one that zips is to be added to.
    """
    more = parse(flags)
    if own is None:
        if not flags:
            raise UsageError(f"say what is to vary: {_SHAPE}")
        return Grid(more.values, combine or more.combine)
    if flags and own.combine == "zip":
        raise UsageError(
            f"the config zips {', '.join(own.values)}, so --grid can add nothing; leave it out, or "
            "copy the config's file and change its get_grid()"
        )
    return Grid({**own.values, **more.values}, combine or own.combine)


def _default(field: str) -> Any:
    """The default of a field, a list as a tuple; a UsageError if there is no such field."""
    from jagree.configs import default

    if field == "name":
        raise UsageError("name cannot vary: the runs of a sweep are named after what does")
    rules.check_known([field])
    value = rules.flatten(default.get_config())[field]
    return tuple(value) if isinstance(value, list) else value


def _listed(field: str, values: Any) -> Iterable[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise UsageError(f"get_grid() must give a list of values for {field}, not {values!r}")
    return values


def _read(field: str, text: str, default: Any) -> Any:
    """A value of the field's type from its text."""
    if isinstance(default, tuple):
        words = [] if text == "()" else [word.strip() for word in text.split(",")]
        if "" in words:
            raise UsageError(f"--grid: {field} has '{text}', in which a value is missing")
        is_text = field == "data.leave_out" or any(isinstance(v, str) for v in default)
        return tuple(words) if is_text else tuple(_number(word) for word in words)
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        return type(default)(text)
    except (KeyError, ValueError) as error:
        raise UsageError(f"--grid: {field} is {_KINDS[type(default)]}, not '{text}'") from error


def _number(text: str) -> Any:
    """An element of a list whose default is empty: a number if it can be one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _typed(field: str, value: Any, default: Any) -> Any:
    """A value that a file gives, of the field's type; a UsageError if it cannot be."""
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    if type(value) is not type(default):
        raise UsageError(
            f"get_grid() gives {field} the value {value!r}; it must be of type "
            f"{type(default).__name__}"
        )
    return value


def _module(path: str | Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("jagree_sweep_config", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"'{path}' is no Python file; the experiments lie in configs/")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def describe(grid: Grid) -> str:
    """The grid in a line: its fields with their values.

    >>> describe(Grid({"batch_size": (32, 128), "seed": (0, 1, 2)}))
    'batch_size 32, 128 x seed 0, 1, 2: 6 runs'
    """
    between = " x " if grid.combine == "product" else " with "
    fields = [f"{field} {', '.join(map(str, v))}" for field, v in grid.values.items()]
    return f"{between.join(fields)}: {counted(len(grid.points()), 'run')}"
