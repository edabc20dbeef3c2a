"""A small AVE in the published form."""
from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from avmm.datasets.ave_files import AVE_CLASSES, one_hot, parse_annotations

ROWS, NOISY, SEGMENTS, GRID, DEPTH = 12, 3, 10, 3, 8
TRAIN, VAL, TEST = [5, 2, 0, 1, 8, 11, 6], [3, 4], [7, 10, 9]
MATCH = dict(train=[4, 5, 6, 7], val=[0, 1], test=[2, 9, 3])


def write_h5(path: Path, values, key: str = 'avadataset', **options) -> None:
    with h5py.File(path, 'w') as file:
        file.create_dataset(key, data=values, **options)


def lines() -> list[str]:
    """Annotations: event lengths from 0 to 10 seconds, and a video that occurs twice."""
    spans = [(0, 10), (0, 0), (2, 4), (3, 10), (0, 7), (5, 8), (1, 10), (0, 10), (4, 9), (6, 10), (2, 5), (0, 3)]
    return [f'{AVE_CLASSES[(5 * i) % 28]}&id_{i % 11}&good&{start}&{end}' for i, (start, end) in enumerate(spans)]


def features() -> dict[str, np.ndarray]:
    """All features in float64, of values that float16 holds exactly."""
    rng = np.random.default_rng(0)
    shapes = dict(audio_feature=(ROWS, SEGMENTS, 4), visual_feature=(ROWS, SEGMENTS, GRID, GRID, DEPTH),
                  audio_feature_noisy=(NOISY, SEGMENTS, 4),
                  visual_feature_noisy=(NOISY, SEGMENTS, GRID, GRID, DEPTH))
    return {name: rng.integers(0, 64, shape) / 8 for name, shape in shapes.items()}


def write_official(root: Path, labels: bool = True, annotations: bool = True) -> dict[str, np.ndarray]:
    """Write the files; returns the features."""
    root.mkdir(parents=True, exist_ok=True)
    arrays = features()
    for name, values in arrays.items():
        write_h5(root / f'{name}.h5', values)
    for split, order in dict(train=TRAIN, val=VAL, test=TEST).items():
        write_h5(root / f'{split}_order.h5', np.array(order), 'order')
        write_h5(root / f'{split}_order_match.h5', np.array(MATCH[split]), 'order')
    known = parse_annotations(lines())
    if annotations:
        (root / 'Annotations.txt').write_text('\n'.join(lines()) + '\n')
    if labels:
        write_h5(root / 'labels.h5', one_hot(known.segments(), 'int64'))
        write_h5(root / 'mil_labels.h5', one_hot(known.classes))
        write_h5(root / 'labels_closs.h5', known.mask().astype('float32'))
        write_h5(root / 'labels_noisy.h5', one_hot(np.full(NOISY, 28)))
    return arrays
