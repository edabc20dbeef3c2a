"""Make features in the form of VGGSound's for timing: a file for each clip and modality, and all of them packed.

    <out>/labels.csv                            classes vgg_0 to vgg_308
    <out>/clips.json                            labels, afeat and vfeat of every clip
    <out>/audio/<clip>.npy                      float32 (30, 1024)
    <out>/visual/<clip>.npy                     float16 (30, 1024)
    <out>/features.h5                           both, float16, and the lengths of the rows
"""
from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from avmm.datasets.feature_store import ArraySpec
from avmm.datasets.feature_store_writer import FeatureStoreWriter
from avmm.utils.cli import run_cli, track
from avmm.utils.paths import resolve_data_root
from avmm.utils.tooling import tool_parser

EXAMPLES = """
python benchmarks/make_uavm_features.py --out data/bench_uavm --clips 2000
"""
CLASSES, STEPS, WIDTH = 309, 30, 1024


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--out', type=resolve_data_root, required=True, help='folder to make')
    parser.add_argument('--clips', type=int, default=1500, help='default: 1500, 400 MB')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    folder = args.out.with_name(f'.{args.out.name}.part')
    shutil.rmtree(folder, ignore_errors=True)
    for name in ('audio', 'visual'):
        (folder / name).mkdir(parents=True)
    with open(folder / 'labels.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['index', 'mid', 'display_name'])
        writer.writerows([i, f'vgg_{i}', f'sound {i}'] for i in range(CLASSES))
    rng, clips = np.random.default_rng(0), []
    specs = {name: ArraySpec((None, WIDTH), 'float16') for name in ('audio', 'visual')}
    specs.update({f'{name}_norm': ArraySpec((None, )) for name in ('audio', 'visual')})
    with FeatureStoreWriter(folder / 'features.h5', specs) as store:
        for i in track(range(args.clips), 'features', args.clips):
            name = f'clip_{i:06d}'
            audio = rng.standard_normal((STEPS, WIDTH), np.float32)
            visual = rng.standard_normal((STEPS, WIDTH), np.float32).astype(np.float16)
            np.save(folder / 'audio' / f'{name}.npy', audio)
            np.save(folder / 'visual' / f'{name}.npy', visual)
            packed = dict(audio=audio.astype(np.float16), visual=visual)
            norms = {f'{m}_norm': np.linalg.norm(v.astype(np.float32), axis=1) for m, v in packed.items()}
            store.add(name, **packed, **norms)
            clips.append(dict(labels=f'vgg_{rng.integers(CLASSES)}', afeat=f'audio/{name}.npy',
                              vfeat=f'visual/{name}.npy'))
    (folder / 'clips.json').write_text(json.dumps(dict(data=clips)))
    os.replace(folder, args.out)


if __name__ == '__main__':
    run_cli(main)
