"""Small lists, features and sounds in the form of the published ones."""
from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from avmm.datasets.feature_store import ArraySpec
from avmm.datasets.feature_store_writer import FeatureStoreWriter

LABELS = ['vgg_0', 'vgg_1,vgg_2', 'vgg_2', 'vgg_3', 'vgg_1', 'vgg_0', 'vgg_3,vgg_3', 'vgg_2']


def write_list(folder: Path, entries: list[dict], name: str = 'clips.json') -> None:
    """``labels.csv`` of four classes, and a list of clips."""
    with open(folder / 'labels.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['index', 'mid', 'display_name'])
        writer.writerows([i, f'vgg_{i}', f'class {i}, and more'] for i in range(4))
    (folder / name).write_text(json.dumps(dict(data=entries)))


def write_features(folder: Path, labels: list[str] = LABELS, dim: int = 8, store: str | None = None,
                   dtype: str = 'float32', norms: bool = False) -> list[dict[str, np.ndarray]]:
    """A list of clips with features of 4 to 7 rows, as files and, if it is named, packed in a store."""
    rng = np.random.default_rng(0)
    made, entries = [], []
    for i, label in enumerate(labels):
        clip = dict(audio=rng.normal(size=(4 + i % 4, dim)).astype(np.float32),
                    visual=rng.normal(size=(7 - i % 3, dim)).astype(np.float16))
        for name, value in clip.items():
            (folder / name).mkdir(exist_ok=True)
            np.save(folder / name / f'clip{i}.npy', value)
        made.append(clip)
        entries.append(dict(labels=label, afeat=f'audio/clip{i}.npy', vfeat=f'visual/clip{i}.npy', extra=i))
    write_list(folder, entries)
    if store is not None:
        specs = {name: ArraySpec((None, dim), dtype) for name in ('audio', 'visual')}
        if norms:
            specs.update({f'{name}_norm': ArraySpec((None, )) for name in ('audio', 'visual')})
        # In another order than the list.
        with FeatureStoreWriter(folder / store, specs) as writer:
            for i in reversed(range(len(made))):
                clip = {name: value.astype(dtype) for name, value in made[i].items()}
                if norms:
                    clip.update({f'{name}_norm': np.linalg.norm(value.astype('float32'), axis=1)
                                 for name, value in made[i].items()})
                writer.add(f'clip{i}', **clip)
    return made
