"""The record's variables and version: what is written, in which precision, and why.

`docs/record.md` says the same to people. Changing anything here means raising `VERSION`.
"""

from dataclasses import dataclass

import numpy as np

NAME = "jagree-record"
VERSION = 1

EXAMPLES_PER_CHUNK = 65_536  # one epoch, all members: a few hundred KiB, one file per epoch
COMMITTED = "epochs_committed"  # root attribute, written last: the pointer that commits an epoch

# Read by xarray (CF conventions) as the names of the non-index coordinates.
COORDINATES = "id label true_label network seed"


@dataclass(frozen=True)
class Variable:
    """A variable over (epoch, member, example), and over (epoch, member) where `per_example` is no.

    Attributes
    ----------
    dtype : str
        As stored; values are brought into its range first, so that finite stays finite.
    fill : int or float
        What stands where a network gave no finite answer.
    unit, description : str
        Stored as the variable's attributes.
    """

    dtype: str
    fill: float
    unit: str
    description: str
    per_example: bool = True


VARIABLES = {
    "prediction": Variable(
        "int16",
        -1,
        "class",
        "predicted class, an index into class_names; -1 where the network's output is not finite",
    ),
    # Half precision has 11 bits: relative error 5e-4, far below the spread between members. Both
    # log_prob and sum_sq_other are stored in the form that does not cancel near certainty.
    "log_prob": Variable("float16", np.nan, "nat", "log of the probability given to the label"),
    "margin": Variable("float16", np.nan, "logit", "logit of the label minus the largest other"),
    "sum_sq_other": Variable(
        "float16", np.nan, "1", "sum over the other classes of their squared probability"
    ),
    "loss": Variable(
        "float32", np.nan, "nat", "mean loss of the epoch's training steps", per_example=False
    ),
}

# The prediction of a multi-label task has the further dimension `class`: 1 present, 0 absent,
# -1 not finite. (A boolean could not tell "absent" from "diverged".)
MULTI_LABEL_PREDICTION = Variable(
    "int8", -1, "presence", "1 where the class is predicted present, 0 where absent, -1 not finite"
)


def variable(name: str, *, multi_label: bool = False) -> Variable:
    """The variable of that name, for single-label or multi-label records."""
    return MULTI_LABEL_PREDICTION if multi_label and name == "prediction" else VARIABLES[name]


def to_stored(name: str, values: np.ndarray, *, multi_label: bool = False) -> np.ndarray:
    """Bring values into the stored precision; finite values beyond its range are clipped to it.

    In half precision infinities become the largest finite value of their sign: an infinite margin
    of a finite network is a rounding matter, while "not finite" is said by `prediction`.
    """
    spec = variable(name, multi_label=multi_label)
    dtype = np.dtype(spec.dtype)
    if dtype == np.float32:
        return values.astype(dtype)  # the loss: an infinite one is said as it is
    if dtype.kind == "f":
        limit = np.finfo(dtype).max
        return np.clip(values, -limit, limit).astype(dtype)
    info = np.iinfo(dtype)
    if values.size and (values.min() < info.min or values.max() > info.max):
        raise ValueError(f"'{name}' must lie in {info.min}..{info.max}, the range of {dtype}")
    return values.astype(dtype)
