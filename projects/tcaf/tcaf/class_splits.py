"""Which classes the benchmark has, which of them a split has seen, and what their word vectors are called."""
from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avmm.utils import ConfigError, DataError

TRAIN, VAL_SEEN, VAL_UNSEEN = 'stage_1_train', 'stage_1_val_seen', 'stage_1_val_unseen'
TEST_SEEN, TEST_UNSEEN = 'stage_2_test_seen', 'stage_2_test_unseen'
#: Lists of classes, and folders of features, that are read. ``stage_2_train`` is the union of the first three.
STAGES = (TRAIN, VAL_SEEN, VAL_UNSEEN, TEST_SEEN, TEST_UNSEEN)
#: Whose clips a split has, in their order.
SPLITS = {'train': (TRAIN, ), 'val': (VAL_SEEN, VAL_UNSEEN), 'train_val': (TRAIN, VAL_SEEN, VAL_UNSEEN),
          'test': (TEST_SEEN, TEST_UNSEEN)}
_SEEN = {'train': (TRAIN, ), 'val': (VAL_SEEN, ), 'train_val': (TRAIN, VAL_UNSEEN), 'test': (TEST_SEEN, )}
_UNSEEN = {'train': (), 'val': (VAL_UNSEEN, ), 'train_val': (), 'test': (TEST_UNSEEN, )}
CLASS_SPLITS = ('main_split', 'cls_split')


@dataclass(frozen=True)
class ClassSplit:
    """The classes of a data set and their division.

    The number of a class is its place among the sorted names, in the order of code points: upper case first.

    Attributes:
        names: Names of all classes, sorted.
        stages: ``{stage: class numbers, sorted}``.
        manual: The phrase whose word vector each class has, in the order of ``names``; empty if it is not known.
    """
    names: tuple[str, ...]
    stages: dict[str, np.ndarray]
    manual: tuple[str, ...] = ()
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        # Names of features may differ from those of the list in case; an exact match comes first.
        lower = {name.lower(): number for number, name in enumerate(self.names)}
        object.__setattr__(self, '_numbers', {**lower, **{name: i for i, name in enumerate(self.names)}})

    @classmethod
    def of(cls, names: Sequence[str], stages: dict[str, Sequence[str]],
           manual: dict[str, str] | None = None) -> ClassSplit:
        """A division by names.

        Args:
            names: Names of all classes, in any order.
            stages: ``{stage: names of its classes}``.
            manual: ``{name: phrase of its word vector}``.

        Raises:
            DataError: If a name is unknown or comes twice.
        """
        names = tuple(sorted(names))
        if len(set(names)) != len(names):
            twice = next(a for a, b in zip(names, names[1:], strict=False) if a == b)
            raise DataError(f'the class {twice!r} is listed twice')
        split = cls(names, {}, tuple(manual[name] for name in names) if manual else ())
        for stage, members in stages.items():
            split.stages[stage] = np.array(sorted({split.number(name) for name in members}), np.int64)
        return split

    def number(self, name: str) -> int:
        """Number of the class called ``name``, whose case counts only if two classes differ in nothing else.

        Raises:
            DataError: If there is no such class.
        """
        number = self._numbers.get(name, self._numbers.get(name.lower()))
        if number is None:
            raise DataError(f'{name!r} is none of the {len(self.names)} classes of all_class.txt')
        return number

    def seen(self, split: str) -> np.ndarray:
        """Numbers of the classes that count as seen in ``split``, sorted."""
        return self._union(_SEEN, split)

    def unseen(self, split: str) -> np.ndarray:
        """Numbers of the classes that count as unseen in ``split``, sorted; none where it is for training."""
        return self._union(_UNSEEN, split)

    def class_ids(self, split: str) -> np.ndarray:
        """Numbers of all classes of ``split``, sorted."""
        return np.union1d(self.seen(split), self.unseen(split))

    def _union(self, table: dict[str, tuple[str, ...]], split: str) -> np.ndarray:
        if split not in table:
            raise ConfigError(f'split must be one of {", ".join(table)}, got {split!r}')
        parts = [self.stages[stage] for stage in table[split]]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def read_class_split(folder: str | os.PathLike, class_split: str = 'cls_split') -> ClassSplit:
    """Read the division of classes in the form in which it is published.

    ``all_class.txt`` and the ``<stage>.txt`` of ``cls_split/`` or ``main_split/`` have a name a line::

        ApplyEyeMakeup
        ApplyLipstick

    and ``<data set>_w2v_class_names.csv`` the phrase of the word vector behind it; further columns are ignored::

        original,manual
        ApplyEyeMakeup,Apply Eye Makeup

    Args:
        folder: Folder of the data set, or its ``class-split``.
        class_split: ``'main_split'``, or ``'cls_split'``, which tests on fewer unseen classes: those that the
            extractor of its features was trained on are left out.

    Raises:
        ConfigError: If there is no such division.
        DataError: If a file is missing or names an unknown class.
    """
    if class_split not in CLASS_SPLITS:
        raise ConfigError(f'class_split must be one of {", ".join(CLASS_SPLITS)}, got {class_split!r}')
    folder = next((Path(folder, name) for name in ('class-split', 'class_split') if Path(folder, name).is_dir()),
                  Path(folder))
    names = read_names(folder / 'all_class.txt')
    stages = {stage: read_names(folder / class_split / f'{stage}.txt') for stage in STAGES}
    tables = sorted(folder.glob('*_w2v_class_names.csv'))
    manual = read_manual_names(tables[0]) if tables else None
    missing = [name for name in names if name not in manual] if tables else []
    if missing:
        raise DataError(f'{tables[0]}: the class {missing[0]!r} of all_class.txt has no line')
    try:
        return ClassSplit.of(names, stages, manual)
    except DataError as error:
        raise DataError(f'{folder}: {error}') from None


def read_names(path: str | os.PathLike) -> list[str]:
    """The lines of a list of classes, without empty ones.

    Raises:
        DataError: If it is missing or empty.
    """
    names = [line.strip() for line in _text(path).splitlines()]
    names = [name for name in names if name]
    if not names:
        raise DataError(f'{path}: the list of classes is empty')
    return names


def read_manual_names(path: str | os.PathLike) -> dict[str, str]:
    """``{name of the class: phrase of its word vector}`` from a csv file with the columns original and manual.

    Raises:
        DataError: If it is missing or has other columns.
    """
    rows = list(csv.DictReader(_text(path).splitlines()))
    if not rows or not {'original', 'manual'} <= set(rows[0]):
        raise DataError(f'{path}: columns called original and manual are expected')
    return {row['original']: row['manual'] for row in rows}


def _text(path: str | os.PathLike) -> str:
    try:
        return Path(path).read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        reason = 'the list is missing' if isinstance(error, FileNotFoundError) else f'cannot be read ({error})'
        raise DataError(f'{path}: {reason}') from None
