"""Export a trained model as a program that runs without AVMM: torch.export (.pt2) or ONNX (.onnx).

The program takes what the data set gives, uint8 frames included, and answers with probabilities: the preprocessing of
the config is part of it. The number of samples in a batch stays free. What was written is loaded again and has to give
the model's answers.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import add_config_args, check_out, config_from, example_inputs, tool_parser

EXAMPLES = """
python tools/deployment/export.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_8.pth --out av_digits.onnx
python tools/deployment/export.py projects/cmran/configs/cmran_supv_1xb32-200e_ave.py epoch_200.pth --out cmran.pt2 \\
  --shape audio=10,128 visual=10,7,7,512
python tools/deployment/export.py projects/dmin/configs/dcmr_a2v_1xb32-200e_ave.py epoch_200.pth --out dcmr.onnx \\
  --shape audio=10,128 visual=10,512 mask=10:bool
python tools/deployment/export.py projects/uavm/configs/uavm_1xb144-10e_vggsound.py uavm.pth --out uavm_audio.onnx \\
  --shape audio=30,1024
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, checkpoint='optional')
    parser.add_argument('--out', required=True, help='file to write: .pt2 for torch.export, .onnx for ONNX')
    parser.add_argument('--shape', nargs='+', metavar='INPUT=SIZES[:TYPE]',
                        help='shape of one sample of each input, without the batch, such as audio=1,257,188 or '
                        'visual=3,1,224,224:uint8; no data are read then (default: those of the first test sample)')
    parser.add_argument('--fixed-batch', type=int, metavar='B', help='make B samples a constant of the program')
    parser.add_argument('--overwrite', action='store_true', help='replace the file if it exists')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from avmm.deployment import FORMATS, check_export, export_model
    from avmm.deployment.export import batch_of
    out = check_out(args.out, tuple(FORMATS.values()))
    if out.exists() and not args.overwrite:
        raise ConfigError(f'{out} exists; choose another --out, or --overwrite')
    if args.fixed_batch is not None and args.fixed_batch < 1:
        raise ConfigError(f'--fixed-batch {args.fixed_batch}: must be 1 or more')
    kind = next(name for name, suffix in FORMATS.items() if suffix == out.suffix.lower())
    cfg = config_from(args)
    from avmm.apis import init_model
    model = init_model(cfg, args.checkpoint, trust=args.trust_checkpoint)
    inputs = example_inputs(cfg, args.shape)
    size = args.fixed_batch or 2
    scratch = out.with_name(f'.{out.stem}.part{out.suffix}')
    try:
        example = dict(zip(inputs, batch_of(inputs, size), strict=True))
        program = export_model(model, example, scratch, kind, args.fixed_batch is not None)
        sizes = [size] if args.fixed_batch else [1, 2, 5]
        gap = check_export(program, scratch, kind, [batch_of(inputs, n, seed=n) for n in sizes])
        scratch.replace(out)
    finally:
        scratch.unlink(missing_ok=True)
    batch = size if args.fixed_batch else 'batch'
    print('inputs:  ' + ', '.join(f'{n} ({", ".join(map(str, (batch, *x.shape[1:])))}) {str(x.dtype)[6:]}'
                                  for n, x in inputs.items()))
    print('outputs: ' + ', '.join(program.output_names))
    print(f'{out}: {out.stat().st_size / 2**20:.1f} MiB; differs from the model by {gap:.1g} at most')


if __name__ == '__main__':
    run_cli(main)
