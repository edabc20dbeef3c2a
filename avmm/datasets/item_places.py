"""Where the items of a store that is being written are."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np


class ItemPlaces:
    """Where each item of an unfinished store is: its first row and number of rows in every array, in a few bytes.

    Args:
        arrays: Names of the arrays.
        announced: Numbers of all items that will come by their names; None if they are not known.
    """

    def __init__(self, arrays: Iterable[str], announced: dict[str, int] | None):
        self._columns = {name: i for i, name in enumerate(arrays)}
        self._announced = announced is not None
        self._numbers = announced if announced is not None else {}
        self._table = np.full((max(len(self._numbers), 64), len(self._columns), 2), -1, np.int64)
        self._count = self._next = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: object) -> bool:
        number = self._numbers.get(key)
        return number is not None and self._table[number, 0, 0] >= 0

    def enter(self, key: str, rows: Mapping[str, Sequence[int]]) -> None:
        """Note ``{array: (first row, number of rows)}`` of an item."""
        self._count += key not in self
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._next
            self._next += 1
            if number == len(self._table):
                self._table = np.concatenate([self._table, np.full_like(self._table, -1)])
        for name, extent in rows.items():
            self._table[number, self._columns[name]] = extent

    def remove(self, key: str) -> None:
        """Forget an item; it may come again, then after all others where nothing is announced."""
        if key in self:
            self._count -= 1
            self._table[self._numbers[key]] = -1
            if not self._announced:
                del self._numbers[key]

    def keys(self) -> list[str]:
        """The items that are there, in their order."""
        return [key for key in self._numbers if key in self]

    def extents(self, name: str, keys: Sequence[str]) -> np.ndarray:
        """First rows and numbers of rows of items in an array ``(N, 2)``."""
        return self._table[[self._numbers[key] for key in keys], self._columns[name]]
