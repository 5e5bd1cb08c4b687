"""What ``config.precision`` means: the type of a network's activations, and how products are taken.

Weights, their updates, BatchNorm's moments and the logits are float32 under every choice. What JAX
does with float32 factors if it is not told (jax.lax's `Precision`, DEFAULT): NVIDIA GPUs from
Ampere on round them to TensorFloat32, 10 bits of mantissa, and TPUs to bfloat16, 7 bits, in matrix
products and convolutions alike. So "float32" must ask for float32. By JAX's documentation; not
measured on a GPU or TPU:

================ =========== ===================== ================= ==============================
choice           activations factors on NVIDIA     factors on a TPU  factors on a CPU
================ =========== ===================== ================= ==============================
float32          float32     float32               float32 (6 bf16)  float32
tensorfloat32    float32     10 bits from Ampere   16 bits (3 bf16)  float32
                             on, else float32
bfloat16         bfloat16    bfloat16              bfloat16          bfloat16
================ =========== ===================== ================= ==============================

n bf16: the chip takes n products of bfloat16 for one. With bfloat16 the last layer, which gives the
logits, is taken in float32.
"""

import contextlib
from typing import NamedTuple

import jax


class Precision(NamedTuple):
    """What is computed in what."""

    dtype: str  # of activations
    products: str  # JAX's level for products and convolutions of float32: "highest" or "high"


# The levels, not JAX's names "float32" and "tensorfloat32": these are aliases of them that mean
# other things on other devices (jax#39869). The exact presets ("TF32_TF32_F32") do not reach
# convolutions: those are left at the default.
PRECISIONS = {
    "float32": Precision("float32", "highest"),
    "tensorfloat32": Precision("float32", "high"),
    "bfloat16": Precision("bfloat16", "highest"),
}


def products_in(level: str) -> contextlib.AbstractContextManager:
    """Matrix products and convolutions that are traced meanwhile are of that level.

    Gradients as well, if they are traced meanwhile, and what is within custom derivatives and
    custom batching rules. Products of bfloat16 are what they are at any level.
    """
    return jax.default_matmul_precision(level)


def note(name: str, backend: str) -> str:
    """What the user should know of a choice on this kind of device, in a clause; mostly nothing.

    Parameters
    ----------
    name : str
        One of `PRECISIONS`.
    backend : str
        "cpu", "gpu" or "tpu".

    Examples
    --------
    >>> note("tensorfloat32", "cpu")
    'a CPU has no such units and computes in float32'
    """
    if name != "tensorfloat32":
        return ""
    if backend == "cpu":
        return "a CPU has no such units and computes in float32"
    if backend == "tpu":
        return "a TPU takes three products of bfloat16 for each, which is more precise"
    return "NVIDIA GPUs have it from Ampere on, others compute in float32"
