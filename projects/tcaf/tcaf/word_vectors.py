"""Word vectors of the classes."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from avmm.utils import ConfigError, DataError
from avmm.utils.safe_pickle import load_object_npy
from projects.tcaf.tcaf.class_splits import ClassSplit

WORD_ORDERS = ('manual_sorted', 'by_class')


def read_word_vectors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Word vectors by phrase, from a file that holds a pickled dictionary, such as ``word_embeddings_ucf_normed.npy``.

    Returns:
        ``{phrase: (D,)}`` float32.

    Raises:
        DataError: If the file is missing, holds something else, or more than plain data.
    """
    content = load_object_npy(path)
    content = content.item() if isinstance(content, np.ndarray) and content.shape == () else content
    try:
        vectors = {str(name): np.asarray(vector, np.float32) for name, vector in content.items()}
        shapes = {vector.shape for vector in vectors.values()}
    except (AttributeError, TypeError, ValueError):
        raise DataError(f'{path}: a dictionary from phrases to vectors is expected') from None
    if len(shapes) != 1 or len(*shapes) != 1:
        raise DataError(f'{path}: vectors of one length are expected, got {", ".join(map(str, sorted(shapes)))}')
    return vectors


def find_word_vectors(data_root: str | os.PathLike, features: str) -> Path:
    """The file of word vectors: in ``features/<features>/text``, in the folder of the data set, or in that above it.

    Of several files above the data set, the one whose name has the first letters of the data set counts, as
    ``word_embeddings_activity_normed.npy`` for ``ActivityNet``.

    Raises:
        DataError: If there is none, or there are several.
    """
    root = Path(data_root)
    start = root.resolve().name.lower()[:3]
    for folder, pattern in ((root / 'features' / features / 'text', '*.npy'), (root, 'word_embeddings_*.npy'),
                            (root.resolve().parent, f'word_embeddings_{start}*.npy')):
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            raise DataError(f'{folder}: several files of word vectors, {found[0].name} and {found[1].name}; '
                            'name one with word_vectors')
        if found:
            return found[0]
    raise DataError(f'{root}: no word vectors (word_embeddings_*.npy) in features/{features}/text, here or above; '
                    'name their file with word_vectors')


def used_classes(names: Sequence[str], manual: Sequence[str], word_order: str = 'manual_sorted') -> np.ndarray:
    """The number of the class whose vector class i gets, ``(C,)``.

    Args:
        names: Names of the classes, in any order.
        manual: The phrase of each.
        word_order: ``'by_class'`` gives every class its own. ``'manual_sorted'`` is what the published program does
            (Mercea et al., AVCA, CVPR 2022, and TCAF, ECCV 2022): vectors are sorted by phrase, where classes are
            sorted by name, so a class gets another one's vector wherever the two orders differ.
    """
    _check_order(word_order)
    by_name = sorted(range(len(names)), key=lambda i: names[i])
    if word_order == 'by_class':
        return np.arange(len(names))
    number = {index: i for i, index in enumerate(by_name)}
    return np.array([number[i] for i in sorted(by_name, key=lambda i: manual[i])], np.int64)


def class_vectors(vectors: dict[str, np.ndarray], split: ClassSplit, word_order: str = 'manual_sorted') -> np.ndarray:
    """The word vector of every class ``(C, D)``, float32.

    Args:
        vectors: ``{phrase: (D,)}``.
        split: The classes.
        word_order: See :func:`used_classes`.

    Raises:
        DataError: If there are not as many vectors as classes, or a class has no phrase or vector.
    """
    _check_order(word_order)
    if word_order == 'manual_sorted':
        if len(vectors) != len(split.names):
            raise DataError(f"{len(vectors)} word vectors for {len(split.names)} classes: word_order='manual_sorted' "
                            "needs as many; word_order='by_class' does not")
        return np.stack([vectors[phrase] for phrase in sorted(vectors)])
    phrases = split.manual or split.names
    missing = [name for name, phrase in zip(split.names, phrases, strict=True) if phrase not in vectors]
    if missing:
        raise DataError(f'the class {missing[0]!r} has no word vector; its phrase comes from the '
                        '*_w2v_class_names.csv in class-split')
    return np.stack([vectors[phrase] for phrase in phrases])


def _check_order(word_order: str) -> None:
    if word_order not in WORD_ORDERS:
        raise ConfigError(f'word_order must be one of {", ".join(WORD_ORDERS)}, got {word_order!r}')
