"""What a frame holds, as a hash: the version of data that decisions stand on."""

from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from hashlib import _Hash as Hash


def fingerprint(frame: pl.DataFrame) -> str:
    """Hash of a frame's columns and rows in their order, the same however the rows lie in memory. A tenth of what hashing them as text costs."""
    found = sha256()
    for column in frame:
        _hash(found, column)
    return found.hexdigest()


def _hash(found: "Hash", column: pl.Series) -> None:
    """The name and type, where nulls are, and the values' bytes with zeros for nulls, whose bytes may be anything."""
    kind = column.dtype
    found.update(f"{column.name}\0{kind}\0{len(column)}\0".encode())
    found.update(column.is_null().to_numpy().tobytes())
    if isinstance(kind, pl.List):
        found.update(column.list.len().fill_null(0).to_numpy().tobytes())
        _hash(found, column.filter(column.list.len() > 0).explode().alias(""))
    elif kind.is_nested() or kind in {pl.Object, pl.Decimal}:
        raise TypeError(f"expected plain columns and lists of them, found {column.name} of {kind}; unnest or cast it")
    elif kind in {pl.String, pl.Categorical, pl.Enum}:
        text = column.cast(pl.String).fill_null("")
        found.update(text.str.len_bytes().to_numpy().tobytes())
        found.update("".join(text.to_list()).encode())
    else:
        plain = column.to_physical()
        found.update(plain.fill_null(False if plain.dtype == pl.Boolean else 0).to_numpy().tobytes())
