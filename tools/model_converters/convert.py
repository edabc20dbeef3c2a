"""Convert an official checkpoint of a project into one of AVMM, or back."""
from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from avmm.engine.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from avmm.utils import CheckpointError, ConfigError  # noqa: E402
from avmm.utils.cli import run_cli  # noqa: E402
from avmm.utils.conversion import Converter  # noqa: E402

EXAMPLES = """Examples:
  python tools/model_converters/convert.py --list
  python tools/model_converters/convert.py --project cmran official.pth.tar cmran.pth
  python tools/model_converters/convert.py --project cmran official.pth.tar cmran.pth --keep-unused
  python tools/model_converters/convert.py --project cmran work_dirs/cmran/epoch_12.pth official.pth.tar --to-official
  python tools/model_converters/convert.py --project cmran --kind avel AV_att.pt avel.pth
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', nargs='?', help='checkpoint to convert')
    parser.add_argument('target', nargs='?', help='file to write; never one that exists')
    parser.add_argument('--project', help='name of a folder below projects/')
    parser.add_argument('--kind', help='kind of official file, where a project knows several; the first by default')
    parser.add_argument('--config', help='config of the model, for projects whose converter goes by it')
    parser.add_argument('--to-official', action='store_true', help='from AVMM to the official names')
    parser.add_argument('--keep-unused', action='store_true',
                        help='keep what the official program stores and never uses, for an exact way back')
    parser.add_argument('--overwrite', action='store_true', help='replace the target if it exists')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='let the checkpoint run code; only for files you trust')
    parser.add_argument('--list', action='store_true', help='list projects and their kinds of files, and end')
    args = parser.parse_args(argv)
    if not args.list and not (args.project and args.source and args.target):
        parser.error('give --project, a source and a target, or --list')
    return args


def projects() -> list[str]:
    """Projects that have a converter: ``projects/<name>/<name>/converter.py``."""
    return sorted(path.parent.name for path in (REPO / 'projects').glob('*/*/converter.py')
                  if path.parent.name == path.parents[1].name)


def converters_of(project: str) -> dict[str, Converter | None]:
    """The converters of a project by kind; None stands for one that needs the model of a config.

    Raises:
        ConfigError: If there is no such project, or it has no converter.
    """
    if project not in projects():
        raise ConfigError(f'--project {project}: projects/{project}/{project}/converter.py does not exist; projects '
                          f'with a converter: {", ".join(projects()) or "none"}')
    return getattr(_module(project), 'CONVERTERS', {'model': None})


def choose(project: str, kind: str | None, config: str | None) -> Converter:
    """The converter of a kind of file; the first of the project if none is named."""
    known = converters_of(project)
    if kind is not None and kind not in known:
        raise ConfigError(f'--kind {kind}: project {project} knows {", ".join(known)}')
    converter = known[kind or next(iter(known))]
    if converter is not None:
        return converter
    if config is None:
        raise ConfigError(f'--project {project} converts by the model; name its config with --config')
    return converter_by_model(_module(project), config)


def converter_by_model(module: ModuleType, config: str) -> Converter:
    """A converter from ``from_official(checkpoint, model)`` and ``to_official(model, state)`` of a project."""
    from avmm.apis import init_model
    model = init_model(config)

    def read(path: Path, trust: bool, keep_unused: bool) -> dict:
        return dict(state_dict=module.from_official(load_checkpoint(path, trust=trust), model),
                    meta=dict(converted_from=path.name))

    def write(checkpoint: dict, path: Path) -> None:
        save_checkpoint(dict(state_dict=module.to_official(model, checkpoint['state_dict'])), path)

    return Converter('the checkpoint of the model of --config', read, write)


def _module(project: str) -> ModuleType:
    return importlib.import_module(f'projects.{project}.{project}.converter')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.list:
        for project in projects():
            for kind, converter in converters_of(project).items():
                about = converter.about if converter else 'the checkpoint of the model of --config'
                print(f'{project} --kind {kind}: {about}')
        return
    converter = choose(args.project, args.kind, args.config)
    source, target = Path(args.source), Path(args.target)
    if target.exists() and not args.overwrite:
        raise ConfigError(f'{target} exists; choose another target or pass --overwrite')
    target.parent.mkdir(parents=True, exist_ok=True)
    if args.to_official:
        checkpoint = load_checkpoint(source, trust=args.trust_checkpoint)
        if 'state_dict' not in checkpoint:
            raise CheckpointError(f'{source} has no state_dict; give a checkpoint of AVMM')
        converter.write(checkpoint, target)
    else:
        checkpoint = converter.read(source, args.trust_checkpoint, args.keep_unused)
        save_checkpoint(checkpoint, target)
        print(f'{len(checkpoint["state_dict"])} tensors')
    print(f'wrote {target}')


if __name__ == '__main__':
    run_cli(main)
