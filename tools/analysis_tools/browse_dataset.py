"""Pictures of samples: the spectrogram and the frames side by side, as they are on disk and as a model sees them."""
from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import SPLITS, add_config_args, build_dataset, config_from, tool_parser

EXAMPLES = """
python tools/analysis_tools/browse_dataset.py configs/quickstart/av_digits.py --number 20
python tools/analysis_tools/browse_dataset.py CONFIG --split test --mode both --random --seed 3 --out pictures
"""
LOADERS = ('LoadAudio', 'LoadFrames', 'LoadVideoFrames')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser)
    parser.add_argument('--split', choices=SPLITS, default='train', help='default: train')
    parser.add_argument('--number', type=int, default=10, help='samples to draw (default: 10)')
    parser.add_argument('--mode', choices=['original', 'transformed', 'both'], default='transformed',
                        help='as on disk, after the whole pipeline (default), or one above the other')
    parser.add_argument('--random', action='store_true', help='draw random samples instead of the first ones')
    parser.add_argument('--epoch', type=int, default=0, help='epoch whose augmentations are drawn (default: 0)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the augmentations and of --random (default: 0)')
    parser.add_argument('--out', help='folder of the pictures (default: browse/<config>_<split>)')
    args = parser.parse_args(argv)
    if args.number < 1:
        raise ConfigError(f'--number {args.number}: must be at least 1')
    return args


def transformed(item: dict) -> dict:
    """What a model sees: ``{'spectrogram': (F, T), 'frames': (3, T, H, W)}``, each if it is there."""
    inputs, shown = item['inputs'], {}
    if 'audio' in inputs:
        shown['spectrogram'] = inputs['audio'].squeeze(0).numpy()
    if 'visual' in inputs:
        if len(inputs['visual']) != 3:
            raise ConfigError(f'the data set has features {tuple(inputs["visual"].shape)} in the place of frames, of '
                              'which there is no picture')
        shown['frames'] = inputs['visual'].numpy()
        shown['size'] = ' x '.join(map(str, inputs['visual'].shape[-2:]))
    return shown


def original(dataset, index: int) -> dict:
    """What is on disk, read by the loading steps of the pipeline alone."""
    import torch
    results = dataset.get_data_info(index)
    for step in loading_steps(dataset.pipeline.transforms):
        results = step(results)
    shown = {}
    if 'audio' in results:
        spectrum = torch.stft(results['audio'].mean(0), 512, window=torch.hann_window(512), return_complex=True)
        shown['spectrogram'] = spectrum.abs().add(1e-7).log().numpy()
        rate = results['sample_rate']
        shown['note'] = f'{results["audio"].shape[-1] / rate:.2f} s at {rate} Hz'
    if 'frames' in results:
        shown['frames'] = [np.asarray(frame) for frame in results['frames']]
        shown['size'] = ' x '.join(map(str, shown['frames'][0].shape[:2]))
    return shown


def loading_steps(steps: list) -> list:
    """The steps that read files, also those inside a cache."""
    found = []
    for step in steps:
        found += [step] if type(step).__name__ in LOADERS else loading_steps(getattr(step, 'transforms', ()))
    return found


def draw(rows: dict[str, dict], title: str, out: Path) -> None:
    """One picture: a row for each mode, the spectrogram on the left, the frames on its right."""
    from avmm.visualization.plots import draw_frames, draw_spectrogram
    from avmm.visualization.style import new_figure, save_figure
    figure, axes = new_figure(len(rows), 2, size=(4.5, 2.6))
    for (mode, row), line in zip(rows.items(), axes, strict=True):
        for axis in line:
            axis.axis('off')
        if 'spectrogram' in row:
            line[0].axis('on')
            size = ' x '.join(map(str, row['spectrogram'].shape))
            draw_spectrogram(line[0], row['spectrogram'], f'{mode}: {row.get("note", size)}')
        if 'frames' in row:
            line[1].axis('on')
            draw_frames(line[1], row['frames'], f'{mode}: {row["size"]}')
    figure.suptitle(title, fontsize=9)
    save_figure(figure, out, dpi=100)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = config_from(args, with_data=True)
    dataset = build_dataset(cfg, args.split)
    if args.mode != 'transformed' and not hasattr(dataset, 'get_data_info'):
        raise ConfigError(f'--mode {args.mode}: {type(dataset).__name__} reads no files; use --mode transformed')
    from avmm.datasets.samplers import SampleIndex
    count = min(args.number, len(dataset))
    chosen = np.random.default_rng(args.seed).permutation(len(dataset))[:count] if args.random else range(count)
    classes = list((getattr(dataset, 'metainfo', None) or {}).get('classes') or ())
    out = Path(args.out or Path('browse') / f'{Path(args.config).stem}_{args.split}')
    out.mkdir(parents=True, exist_ok=True)
    for position, index in enumerate(track(list(chosen), 'drawing')):
        item = dataset[SampleIndex(int(index), args.seed, args.epoch, position)]
        sample = item['data_samples']
        rows = {}
        if args.mode != 'transformed':
            rows['original'] = original(dataset, int(index))
        if args.mode != 'original':
            rows['transformed'] = transformed(item)
        name, label = str(sample.get('sample_id', index)), sample.get('gt_label')
        labels = label if isinstance(label, tuple) else () if label is None else (label, )
        words = ', '.join(str(classes[k]) if k < len(classes) else str(k) for k in labels)
        draw(rows, f'{name}: {words}', out / f'{position:04d}_{re.sub(r"[^A-Za-z0-9.-]", "_", name)}.png')
    print(f'{count} pictures: {out}')


if __name__ == '__main__':
    run_cli(main)
