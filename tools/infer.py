"""Say what is in videos: one JSON line a file, from a config and a checkpoint."""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from avmm.utils.cli import run_cli, track
from avmm.utils.config import OptionsAction
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import add_device_args, tool_parser

EXAMPLES = """
python tools/infer.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_8.pth seven.mp4
python tools/infer.py av_digits work_dirs/av_digits/epoch_8.pth videos/ --out results.jsonl --pictures pictures
python tools/infer.py CONFIG CHECKPOINT videos/*.mp4 --batch-size 16 --workers 4 --top 1
find . -name '*.mp4' | python tools/infer.py CONFIG CHECKPOINT -          # answers as the names come
python tools/infer.py --models 'cmran*'                                   # names that may stand for CONFIG

Exit status: 0 all files are answered, 1 some could not be used (their line has "error"), 2 a mistake in the command.
"""
CHECKPOINTS = ('.pth', '.pt', '.ckpt')
#: Files that a folder is searched for.
MEDIA = ('.mp4', '.avi', '.flv', '.mkv', '.webm', '.mov', '.wav', '.flac', '.ogg', '.mp3', '.m4a', '.npz')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('config', nargs='?', help='config file, or the name of a model')
    parser.add_argument('files', nargs='*', metavar='FILE',
                        help='first the checkpoint (.pth), then videos, files of sound, images, or folders of them; '
                        '- reads names from standard input')
    parser.add_argument('--models', nargs='?', const='*', metavar='PATTERN', help='list the models there are, and end')
    parser.add_argument('--task', help='with --models: only those that do this, such as classification')
    parser.add_argument('--out', metavar='FILE', help='write the lines to this .jsonl file (default: standard output)')
    parser.add_argument('--pictures', metavar='DIR', help='write a picture of each answer into this folder')
    parser.add_argument('--batch-size', type=int, default=8, help='files that pass the model together (default: 8)')
    parser.add_argument('--workers', type=int, default=1, help='threads that read files ahead (default: 1)')
    parser.add_argument('--top', type=int, default=5, help='classes to name of each kind (default: 5)')
    parser.add_argument('--fail', action='store_true', help='stop at the first file that cannot be used')
    parser.add_argument('--extractors', metavar='CONFIG',
                        help='config whose extractors make the features that an event localiser needs')
    parser.add_argument('--attention', action='store_true', help='add the attention maps of an event localiser')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='let the checkpoint run code; only for files you trust')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, default={}, metavar='KEY=VALUE',
                        help='settings of the config to override')
    add_device_args(parser)
    args = parser.parse_intermixed_args(argv)
    args.checkpoint = args.files.pop(0) if args.files and args.files[0].endswith(CHECKPOINTS) else None
    if args.models is None:
        _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.config is None:
        parser.error('name a config and files, or ask for --models')
    if not args.files:
        raise ConfigError('no files to look at; name videos, folders of them, or - for names on standard input')
    for name, value, least in (('--batch-size', args.batch_size, 1), ('--top', args.top, 1),
                               ('--workers', args.workers, 0)):
        if value < least:
            raise ConfigError(f'{name} {value}: must be at least {least}')
    if args.out and not args.out.endswith('.jsonl'):
        raise ConfigError(f'--out {args.out}: must end in .jsonl')


def find_files(names: list[str]) -> list[str]:
    """Files, and those in folders and below; a folder of images is a clip of its own.

    Raises:
        ConfigError: If a folder holds nothing to look at.
    """
    from avmm.datasets.transforms.loading_frames import IMAGE_SUFFIXES
    found = []
    for name in names:
        if not os.path.isdir(name):
            found.append(name)
            continue
        inside = sorted(str(path) for path in Path(name).rglob('*') if path.suffix.lower() in MEDIA)
        if not inside and any(entry.lower().endswith(IMAGE_SUFFIXES) for entry in os.listdir(name)):
            inside = [name]
        if not inside:
            raise ConfigError(f'{name}: the folder holds no videos, no sound and no images')
        found += inside
    return found


def names_from(stream) -> Iterator[str]:
    """The lines of a stream that are not blank."""
    return (line.strip() for line in stream if line.strip())


def build(args: argparse.Namespace):
    """The inferencer that the command line asks for."""
    from avmm.apis import find_config, inferencer_class, init_inferencer
    from avmm.apis.localization import AVEventLocalizationInferencer
    from avmm.utils.config_check import check_config
    cfg = find_config(args.config, args.cfg_options)
    check_config(cfg)
    options = dict(workers=args.workers, seed=args.seed, trust=args.trust_checkpoint)
    localises = issubclass(inferencer_class(cfg), AVEventLocalizationInferencer)
    if (args.extractors or args.attention) and not localises:
        raise ConfigError('--extractors and --attention are for event localisers, and the model is none')
    if localises:
        options.update(extractors=args.extractors, attention=args.attention)
    if args.checkpoint is None:
        print('no checkpoint: the weights are fresh, and the answers mean nothing', file=sys.stderr)
    return init_inferencer(cfg, args.checkpoint, args.device, **options)


def show_models(args: argparse.Namespace) -> None:
    """A line a model: its name and what it does."""
    from avmm.apis import list_models, model_infos
    names = list_models(args.models, args.task)
    for name in names:
        print(f'{name}  {model_infos()[name].task}')
    if not names:
        raise ConfigError(f'--models {args.models}: no model is called so')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    if args.models is not None:
        show_models(args)
        return 0
    stream = args.files == ['-']
    files = names_from(sys.stdin) if stream else find_files(args.files)
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    inferencer = build(args)
    failed = 0
    with open(args.out, 'w', encoding='utf-8') if args.out else contextlib.nullcontext(sys.stdout) as out:
        answers = inferencer(files, 1 if stream else args.batch_size, args.pictures, stream=True,
                             on_error='raise' if args.fail else 'report', top=args.top)
        for result in track(answers, 'inferring', None if stream else len(files)):
            failed += 'error' in result
            print(json.dumps(result, ensure_ascii=False), file=out, flush=True)
    if failed:
        print(f'{failed} file{"s" if failed > 1 else ""} could not be used', file=sys.stderr)
    return int(failed > 0)


if __name__ == '__main__':
    run_cli(main)
