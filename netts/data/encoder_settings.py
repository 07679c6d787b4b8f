"""What a person says about the encoding of columns, checked and put column by column."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from netts.choices import nearest_first
from netts.data.learning import ColumnSettings, Encoding
from netts.data.quoting import listed, quoted
from netts.data.scaling import check_scaler
from netts.data.values import label
from netts.errors import ParameterError, UnknownColumnError


def settings_of(
    names: Collection[str], max_categories: int, scaler: Any, encodings: Any
) -> dict[str, ColumnSettings]:
    """Return what is said about each column.

    Parameters
    ----------
    names
        Of the columns.
    max_categories, scaler, encodings
        As in `netts.data.TableEncoder`.

    Raises
    ------
    UnknownColumnError
        Where something is said about a column that is not there.
    ParameterError
        Where a scaler or encoding does not exist.
    """
    chosen: dict[str, Encoding] = {
        str(name): _as_encoding(name, encoding) for name, encoding in (encodings or {}).items()
    }
    scalers = {str(name): one for name, one in scaler.items()} if _is_mapping(scaler) else {}
    for what, said in [("scaler", scalers), ("encodings", chosen)]:
        strangers = [name for name in said if name not in names]
        if strangers:
            raise UnknownColumnError(
                f"{what} names {listed(strangers)}, and X has no such column; it has "
                f"{listed(nearest_first(strangers[0], names))}"
            )
    for one in scalers.values() if _is_mapping(scaler) else [scaler]:
        check_scaler(one)
    everywhere = "standard" if _is_mapping(scaler) else scaler
    return {
        name: ColumnSettings(
            max_categories, scalers.get(name, everywhere), chosen.get(name, "automatic")
        )
        for name in names
    }


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _as_encoding(name: Any, encoding: Any) -> Encoding:
    if encoding in ("one-hot", "embedding"):
        return encoding
    if isinstance(encoding, list | tuple):
        order = tuple(str(label(category)) for category in encoding)
        if len(order) > 1 and len(set(order)) == len(order):
            return order
    raise ParameterError(
        f"the encoding of column {quoted(name)} is 'one-hot', 'embedding' or a list of at least "
        f"two different categories in their order, got {encoding!r}"
    )
