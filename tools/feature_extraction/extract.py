"""Extract features from a folder, a list or a table of media into a feature store.

CONFIG names the extractors; SOURCE is a folder, a .txt with one path a line, or a .csv with the columns path and, if
wanted, key, start and end (s). --ave takes Annotations.txt of AVE instead, a row for every line of it.

Started by torchrun, in a slurm array, or by hand with --shard, every process takes its part of the clips, and whoever
is through last makes one store of the parts. Nothing appears at OUT until it is whole. A report lies beside it.
Exit status: 0 if every item is in the store, 1 if any failed, 2 if the run could not be done, 130 after Ctrl-C.
"""
from __future__ import annotations

import argparse
import datetime
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import add_config_args, check_out, config_from, pick_device, tool_parser

EXAMPLES = """
python tools/feature_extraction/extract.py configs/feature_extraction/resnet50_torchvision.py videos features.h5
python tools/feature_extraction/extract.py configs/feature_extraction/ave_vgg19_vggish.py \\
    --ave data/ave/Annotations.txt --videos data/ave/AVE data/ave/features.h5 --amp fp16 --workers 8
torchrun --standalone --nproc-per-node 4 tools/feature_extraction/extract.py CONFIG clips.csv features.h5 --resume
python tools/feature_extraction/extract.py CONFIG videos features.h5 --shard 3/8
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, config_help='config file with extractors=dict(NAME=dict(type=...))')
    parser.add_argument('source', nargs='?', help='folder, .txt or .csv')
    parser.add_argument('out', metavar='OUT.h5', help='the feature store to make')
    what = parser.add_argument_group('what is extracted')
    what.add_argument('--ave', metavar='FILE', help='Annotations.txt of AVE, in place of a source')
    what.add_argument('--videos', metavar='DIR', help='folder of the videos of AVE')
    what.add_argument('--root', metavar='DIR', help="where the paths of a list start (default: the list's folder)")
    what.add_argument('--allowed-roots', nargs='+', default=[], metavar='DIR',
                      help='further folders that the paths of a list may lead to')
    what.add_argument('--suffixes', nargs='+', metavar='.EXT', help='endings of the files of a folder')
    how = parser.add_argument_group('how')
    how.add_argument('--device', help='such as cpu or cuda:0 (default: a GPU if there is one, that of the rank)')
    how.add_argument('--workers', type=int, default=2, help='processes that decode (default: 2)')
    how.add_argument('--batch-size', type=int, help='units on the device at once (default: those of the config)')
    how.add_argument('--amp', choices=['bf16', 'fp16'], help='mixed precision')
    how.add_argument('--timeout', type=float, metavar='S', help='seconds that decoding a clip may take')
    how.add_argument('--shard', metavar='I/N', help='part of the clips that this process takes, from 0/N on')
    end = parser.add_argument_group('what becomes of it')
    end.add_argument('--on-error', choices=['skip', 'zeros', 'hold', 'stop'],
                     help='items that fail: are left out, become zeros, keep the store from being finished, or end '
                     'the run (default: skip; for AVE, whose rows must not shift: hold)')
    again = end.add_mutually_exclusive_group()
    again.add_argument('--resume', action='store_true',
                       help='go on with an interrupted run; add to a store what it lacks')
    again.add_argument('--overwrite', action='store_true', help='replace the store once the new one is whole')
    end.add_argument('--official', metavar='DIR', help='also write audio_feature.h5 and visual_feature.h5 of AVE here')
    end.add_argument('--official-dtype', choices=['float64', 'float32'], default='float64',
                     help='type of their numbers (default: float64, as published)')
    args = parser.parse_intermixed_args(argv)
    if (args.source is None) == (args.ave is None) or (args.ave is None) != (args.videos is None):
        raise ConfigError('what is extracted? give a SOURCE before OUT.h5, or --ave with --videos')
    args.on_error = args.on_error or ('hold' if args.ave else 'skip')
    if args.ave and args.on_error == 'skip':
        raise ConfigError('--on-error skip would shift the rows of AVE, which other files count on; try hold or zeros')
    return args


def items_of(args: argparse.Namespace, modalities: list[str]) -> list:
    """The items that the command line names."""
    from avmm.extraction.ave import ave_items
    from avmm.extraction.items import read_items, suffixes_for
    if args.ave:
        return ave_items(args.ave, args.videos, args.suffixes or suffixes_for(modalities))
    return read_items(args.source, args.root, args.suffixes or suffixes_for(modalities), args.allowed_roots)


def warn_of_random_weights(extractors: dict) -> None:
    """Say so where an extractor could have weights from a file and has none."""
    from avmm.registry import EXTRACTORS
    from avmm.utils.config_check import call_of
    for name, settings in extractors.items():
        if 'weights' in call_of(EXTRACTORS.get(settings['type'])).names and not settings.get('weights'):
            print(f'warning: extractors.{name}: {settings["type"]} has random weights; name a file in weights=...',
                  file=sys.stderr)


def join_ranks() -> bool:
    """Join the other ranks of torchrun, if there are any; over gloo, for nothing but to wait for each other."""
    if int(os.environ.get('WORLD_SIZE', 1)) < 2 or 'MASTER_ADDR' not in os.environ:
        return False
    import torch.distributed as dist
    # One rank may have the long videos.
    dist.init_process_group('gloo', timeout=datetime.timedelta(days=30))
    return True


def settle(layout, order: list[str], report, args: argparse.Namespace, joined: bool):
    """Make one store of the parts, once all are through; returns the report to go by, and whether to print it."""
    import torch.distributed as dist

    from avmm.extraction.shards import merge_shards
    stopped = args.on_error == 'stop' and report.failed
    if layout.shard.count == 1 and report.store == str(layout.out) or stopped:
        return report, True
    if joined:
        dist.barrier()
    total = merge_shards(layout, order, args.resume) if not joined or dist.get_rank() == 0 else None
    if not joined:
        return total or report, True
    reports = [None] * dist.get_world_size()
    dist.all_gather_object(reports, (report, total))
    total = reports[0][1]
    if total is None:
        from avmm.extraction.report import Report
        total = Report.of_shards(str(layout.out), [own for own, _ in reports])
        total.complete = all(own.complete for own, _ in reports)
    return total, dist.get_rank() == 0


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    check_out(args.out, ('.h5', '.hdf5'))
    cfg = config_from(args)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from avmm.extraction import Extraction, Layout, Shard, StoreRun, unfinished, write_official
    shard = Shard.of_process(os.environ, args.shard)
    if args.device is None and 'LOCAL_RANK' in os.environ and pick_device(None).type == 'cuda':
        args.device = f'cuda:{os.environ["LOCAL_RANK"]}'
    if not cfg.get('extractors'):
        raise ConfigError(f'{args.config}: names no extractors; it needs extractors=dict(NAME=dict(type=...))')
    if shard.index == 0:
        warn_of_random_weights(cfg.extractors)
    media = dict(cfg.get('media') or {})
    layout = Layout(args.out, shard)
    with Extraction(cfg.extractors, pick_device(args.device), args.workers, args.batch_size or cfg.get('batch_size'),
                    args.amp, args.timeout, media=media) as extraction:
        items = items_of(args, [extractor.modality for extractor in extraction.extractors.values()])
        meta = dict(extractors=cfg.extractors.to_dict(), media=media, amp=args.amp)
        work = StoreRun(extraction, items, layout, args.on_error, args.resume, args.overwrite, meta)
        joined = join_ranks()
        try:
            report = work.run()
        except KeyboardInterrupt:
            print(f'{work.report.done} items done in this run; --resume goes on from there', file=sys.stderr)
            raise
    report, shown = settle(layout, [item.key for item in items], report, args, joined)
    if shown:
        print('\n'.join(report.lines()))
        if layout.folder.exists() and report.complete and not layout.out.exists():
            print(f'shards that are not through: {", ".join(map(str, unfinished(layout)))} of {shard.count}')
        if args.official and report.complete and report.store == str(layout.out):
            print('\n'.join(map(str, write_official(args.out, args.official, args.official_dtype))))
    return report.status


if __name__ == '__main__':
    run_cli(main)
