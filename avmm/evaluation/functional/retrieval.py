"""Retrieval across modalities: at which place of a ranking the partner of a query is found.

Every query ranks the whole gallery by cosine similarity, in one matrix product instead of a product a pair. A place
follows from counting what scores higher, which takes no sorting.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avmm.evaluation.functional.arrays import Array, as_numpy
from avmm.utils import ConfigError, DataError

#: What becomes of a partner that shares its score with other entries.
TIES = ('repeated', 'average')
# Queries of one matrix product.
_BLOCK = 2048


def cosine_similarity(queries: Array, gallery: Array) -> np.ndarray:
    """Cosine of the angle between each query ``(N, D)`` and each entry ``(M, D)``, ``(N, M)``.

    Entries that are equal have equal similarities, to the last bit. The similarity to a row of zeros is 0.

    Raises:
        ConfigError: If the shapes do not fit.
        DataError: If a number is not finite.
    """
    queries, gallery = _unit_rows(queries, 'queries'), _unit_rows(gallery, 'gallery')
    _check_width(queries, gallery)
    distinct, which = _distinct(gallery)
    return _product(queries, distinct, which)


def paired_cosine(first: Array, second: Array) -> np.ndarray:
    """Cosine of the angle between the rows i of two arrays ``(N, D)``, ``(N,)``."""
    first, second = _unit_rows(first, 'rows'), _unit_rows(second, 'rows')
    if first.shape != second.shape:
        raise ConfigError(f'pairs need two arrays of one shape, got {first.shape} and {second.shape}')
    return (first * second).sum(1)


def retrieval_positions(queries: Array, gallery: Array, ties: str = 'repeated') -> np.ndarray:
    """Positions, from 0, of the partner of each query in its ranking of the gallery.

    Args:
        queries: Features ``(N, D)``.
        gallery: Features ``(N, D)``; row i is the partner of query i.
        ties: What becomes of a partner that shares its score with other entries. ``'repeated'``: each position
            of that score counts as one more result of the query, as published audio-visual retrieval code has it.
            ``'average'``: one result, the mean of these positions.

    Returns:
        Positions in the order of the queries: ``(P,)`` integers, at least N of them, or ``(N,)`` floats.

    Raises:
        ConfigError: If the shapes do not fit, or ``ties`` is unknown.
        DataError: If a number is not finite.
    """
    if ties not in TIES:
        raise ConfigError(f'ties={ties!r} is unknown; use one of {", ".join(TIES)}')
    queries, gallery = _unit_rows(queries, 'queries'), _unit_rows(gallery, 'gallery')
    _check_width(queries, gallery)
    if len(queries) != len(gallery):
        raise ConfigError(f'{len(queries)} queries and {len(gallery)} entries of the gallery: row i of one is the '
                          'partner of row i of the other')
    distinct, which = _distinct(gallery)
    above, level = np.empty(len(queries), np.int64), np.empty(len(queries), np.int64)
    for start in range(0, len(queries), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(queries)))
        similarity = _product(queries[rows], distinct, which)
        own = similarity[np.arange(len(rows)), rows][:, None]
        above[rows] = np.count_nonzero(similarity > own, axis=1)
        level[rows] = np.count_nonzero(similarity == own, axis=1)
    if ties == 'average':
        return above + (level - 1) / 2
    firsts = np.cumsum(level) - level
    return np.repeat(above - firsts, level) + np.arange(level.sum())


def retrieval_scores(queries: Array, gallery: Array, ks: Sequence[int] = (1, 5, 10),
                     ties: str = 'repeated') -> dict[str, float]:
    """``{'R@1': share, 'R@5': ..., 'median_rank': rank}`` of :func:`retrieval_positions`.

    Args:
        queries: Features ``(N, D)``.
        gallery: Features ``(N, D)`` of their partners.
        ks: Depths k; R@k is the share of results among the first k.
        ties: See :func:`retrieval_positions`. With ``'repeated'``, the shares are of all results, which may be more
            than the queries.

    Example:
        >>> features = np.eye(4)
        >>> retrieval_scores(features, features)['R@1']
        1.0
    """
    positions = retrieval_positions(queries, gallery, ties)
    scores = {f'R@{k}': float(np.mean(positions < k)) for k in ks}
    return {**scores, 'median_rank': float(np.median(positions)) + 1}


def _unit_rows(values: Array, what: str) -> np.ndarray:
    """Rows of length 1, in float32 at least; a row of zeros stays one."""
    rows = as_numpy(values)
    if rows.ndim != 2 or not len(rows):
        raise ConfigError(f'{what} have the shape (N, D) with at least one row, got {rows.shape}')
    if rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(length).all():
        raise DataError(f'row {int((~np.isfinite(length)).argmax())} of the {what} is not finite')
    return rows / np.maximum(length, np.finfo(rows.dtype).tiny)


def _check_width(queries: np.ndarray, gallery: np.ndarray) -> None:
    if queries.shape[1] != gallery.shape[1]:
        raise ConfigError(f'queries of {queries.shape[1]} and a gallery of {gallery.shape[1]} dimensions cannot be '
                          'compared')


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows that differ, and which of them each row is; None if all differ.

    A matrix product may round equal columns differently, which would break ties between them.
    """
    seen: dict[bytes, int] = {}
    which = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows])
    if len(seen) == len(rows):
        return rows, None
    return rows[np.unique(which, return_index=True)[1]], which


def _product(queries: np.ndarray, distinct: np.ndarray, which: np.ndarray | None) -> np.ndarray:
    similarity = queries @ distinct.T
    return similarity if which is None else similarity[:, which]
