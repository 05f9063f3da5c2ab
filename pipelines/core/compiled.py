"""One text, two speeds: formulas that run as plain Python where they are called from Python, and as machine code (numba) inside compiled code."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba
from numba.extending import register_jitable

F = TypeVar("F", bound=Callable[..., object])


def shared(function: F) -> F:
    """Plain Python when called from Python, compiled when called from compiled code.

    Left to itself LLVM calls small functions once a bar instead of inlining them, at more than twice the time. Divisions by zero are guarded in
    the text.
    """
    return cast(F, register_jitable(forceinline=True, error_model="numpy")(function))


def compiled(function: F) -> F:
    """Machine code, kept on disk between runs. Other threads go on while it runs."""
    return cast(F, numba.njit(cache=True, error_model="numpy", nogil=True)(function))
