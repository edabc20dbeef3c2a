"""What a model loses when one modality is missing or noisy: joint accuracy with all, and without each."""
from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import (
    add_config_args,
    add_device_args,
    build_loader,
    check_out,
    config_from,
    pick_device,
    tool_parser,
)

EXAMPLES = """
python tools/analysis_tools/modality_drop.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_6.pth
python tools/analysis_tools/modality_drop.py CONFIG CHECKPOINT --how noise --snr 20 10 0 -10 --out noise.csv
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, 'required')
    parser.add_argument('--split', default='test', help='split to evaluate (default: test)')
    parser.add_argument('--how', choices=['drop', 'zeros', 'shuffle', 'noise'], default='drop',
                        help='drop: the modality is absent (default); zeros: its input is zero; shuffle: it is that '
                        'of another sample; noise: Gaussian noise is added to it')
    parser.add_argument('--snr', type=float, nargs='+', default=[0.0], metavar='DB',
                        help='signal-to-noise ratios of --how noise, in dB (default: 0)')
    parser.add_argument('--batch-size', type=int, help="default: the config's")
    add_device_args(parser)
    parser.add_argument('--out', help='also write the table to this .csv file')
    return parser.parse_args(argv)


def conditions(modalities: tuple[str, ...], how: str, snrs: list[float]) -> list[tuple[str, str | None, float]]:
    """``(name, modality that suffers, ratio in dB)`` of every row of the table."""
    if how == 'noise':
        return [('all', None, 0.0)] + [(f'{m} at {snr:g} dB', m, snr) for m in modalities for snr in snrs]
    word = {'drop': 'without', 'zeros': 'zeroed', 'shuffle': 'shuffled'}[how]
    return [('all', None, 0.0)] + [(f'{word} {m}', m, 0.0) for m in modalities]


def disturb(inputs: dict, modality: str | None, how: str, snr: float, generator) -> dict:
    """The inputs with one modality gone or spoilt.

    Noise has the power of the whole batch's input over ``10 ** (snr / 10)``.
    """
    import torch
    inputs = dict(inputs)
    if modality is None:
        return inputs
    x = inputs.pop(modality)
    if how == 'drop':
        if 'present' in inputs:
            inputs['present'] = {m: rows for m, rows in inputs['present'].items() if m != modality}
        return inputs
    if how == 'zeros':
        x = torch.zeros_like(x)
    elif how == 'shuffle':
        # A rotation by a random amount leaves no sample its own.
        shift = torch.randint(1, max(len(x), 2), (), generator=generator)
        x = x.roll(int(shift), 0)
    else:
        noise = torch.randn(x.shape, generator=generator).to(x)
        x = x + noise * (x.square().mean() / 10 ** (snr / 10)).sqrt()
    return dict(inputs, **{modality: x})


def evaluate(model, loader, rows: list[tuple[str, str | None, float]], how: str, seed: int) -> list[float]:
    """Joint accuracy of every row, in per cent; one pass over the data serves all rows."""
    import torch
    hits, total = torch.zeros(len(rows)), 0
    with torch.no_grad():
        for number, batch in enumerate(track(loader, 'evaluating')):
            data = model.data_preprocessor(batch, False)
            labels = [sample.gt_label for sample in data['data_samples']]
            if not isinstance(labels[0], int):
                raise ConfigError('the samples have several labels each; this table needs one label a sample')
            target = torch.tensor(labels)
            for row, (_, modality, snr) in enumerate(rows):
                # The same noise pattern for every ratio, so that rows differ by its strength alone.
                generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
                logits = model(disturb(data['inputs'], modality, how, snr, generator), mode='tensor')
                hits[row] += (logits.argmax(1).cpu() == target).sum()
            total += len(labels)
    return (100 * hits / total).tolist()


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    device = pick_device(args.device)
    cfg = config_from(args, with_data=True)
    from avmm.apis import init_model
    model = init_model(cfg, args.checkpoint, device, args.seed, args.trust_checkpoint)
    if len(model.modalities) < 2:
        raise ConfigError(f'the model has one modality, {model.modalities[0]}; there is nothing to compare')
    loader = build_loader(cfg, args.split, args.seed, batch_size=args.batch_size)
    rows = conditions(model.modalities, args.how, args.snr)
    scores = evaluate(model, loader, rows, args.how, args.seed)
    width = max(len(name) for name, _, _ in rows)
    print(f'{"inputs":<{width}}  {"joint accuracy (%)":>18}  {"change":>8}')
    for (name, _, _), score in zip(rows, scores, strict=True):
        print(f'{name:<{width}}  {score:>18.2f}  {score - scores[0]:>+8.2f}')
    if args.out:
        with check_out(args.out, ('.csv', )).open('w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(['inputs', 'accuracy', 'change'])
            writer.writerows([row[0], score, score - scores[0]] for row, score in zip(rows, scores, strict=True))
        print(f'table: {args.out}')


if __name__ == '__main__':
    run_cli(main)
