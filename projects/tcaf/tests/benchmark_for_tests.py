"""A data set of the zero-shot benchmark in the files in which it is published."""
from __future__ import annotations

import csv
import pickle
from pathlib import Path

import h5py
import numpy as np

from projects.tcaf.tcaf.class_splits import STAGES
from projects.tcaf.tcaf.packing import pack_features

FEATURES = 'cls_features_non_averaged'
NAMES = ['Archery', 'BandMarching', 'CleanAndJerk', 'Diving', 'Fencing', 'GolfSwing', 'boxing']
MANUAL = ['Archery', 'Band Marching', 'Weight Lifting', 'Diving', 'Fencing', 'Golf Swing', 'Boxing']
SPLITS = dict(stage_1_train=NAMES[:3], stage_1_val_seen=NAMES[:3], stage_1_val_unseen=NAMES[3:4],
              stage_2_test_seen=NAMES[:4], stage_2_test_unseen=NAMES[4:6])
#: Clips of a class in each stage; the last class has features, and no place in the division.
COUNTS = dict(stage_1_train=3, stage_1_val_seen=2, stage_1_val_unseen=2, stage_2_test_seen=2, stage_2_test_unseen=2)


def write_benchmark(root: Path, names: list[str], manual: list[str], words: dict[str, np.ndarray],
                    stages: dict[str, list[str]], clips: dict[tuple[str, str], list[tuple]]) -> None:
    """Write a data set in the published form and pack it; clips are ``(name, audio, video)``."""
    splits = root / 'class-split' / 'cls_split'
    splits.mkdir(parents=True)
    (splits.parent / 'all_class.txt').write_text('\n'.join(names) + '\n')
    with open(splits.parent / 'toy_w2v_class_names.csv', 'w', newline='') as file:
        csv.writer(file).writerows([('original', 'manual'), *zip(names, manual, strict=True)])
    for stage in STAGES:
        (splits / f'{stage}.txt').write_text('\n'.join(stages[stage]) + '\n')
    np.save(root / 'word_embeddings_toy_normed.npy', np.array(words, dtype=object))
    for (stage, name), members in clips.items():
        for place, modality in ((1, 'audio'), (2, 'video')):
            path = root / 'features' / FEATURES / modality / stage / f'{name}.pkl'
            path.parent.mkdir(parents=True, exist_ok=True)
            content = dict(features=[clip[place] for clip in members], fps=[25] * len(members),
                           video_names=[clip[0].encode() for clip in members])
            path.write_bytes(pickle.dumps(content))
    pack_features(root / 'features' / FEATURES, root / 'features' / f'{FEATURES}.h5')


def write_averaged(root: Path, clips: dict[tuple[str, str], list[tuple]], features: str = 'cls_features') -> Path:
    """Write means over time in the published form; clips are ``(name, audio (D,), video (D,))``."""
    for (stage, name), members in clips.items():
        for place, modality in ((1, 'audio'), (2, 'video')):
            path = root / 'features' / features / modality / stage / f'{name}.h5'
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, 'w') as file:
                file['data'] = np.stack([clip[place] for clip in members])
                file['video_urls'] = np.array([clip[0].encode() for clip in members], 'S80')
    return root / 'features' / features


def toy_words(seed: int = 0) -> dict[str, np.ndarray]:
    """A vector for every phrase."""
    rng = np.random.default_rng((seed, 1))
    return {phrase: rng.standard_normal(300).astype('float32') for phrase in MANUAL}


def toy_clips(seed: int = 0, audio: int = 4, visual: int = 6) -> dict[tuple[str, str], list[tuple]]:
    """Random sequences, one to nine steps long: bytes of sound, floats of frames."""
    rng, clips = np.random.default_rng((seed, 2)), {}
    for stage, number in COUNTS.items():
        for name in [*SPLITS[stage], *(NAMES[6:] if stage == 'stage_2_test_unseen' else [])]:
            clips[stage, name] = [(f'v_{name}_{stage}_{i}',
                                   rng.integers(0, 256, (rng.integers(1, 10), audio), dtype='uint8'),
                                   rng.random((rng.integers(1, 10), visual), dtype='float32')) for i in range(number)]
    return clips


def write_toy(root: Path, seed: int = 0) -> dict[tuple[str, str], list[tuple]]:
    """Write and pack a data set of seven classes; returns its clips."""
    clips = toy_clips(seed)
    write_benchmark(root, NAMES, MANUAL, toy_words(seed), SPLITS, clips)
    return clips
