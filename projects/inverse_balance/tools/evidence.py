"""Evidence on real files: every balancing method with and without inverse effectiveness, several seeds each.

Each run is a process of its own on one thread; finished ones are skipped, so that the same command continues what was
interrupted. The tables, as markdown and csv, are renewed after every run: mean and deviation on the test split, joint
and of each modality, and which differences the seeds can tell. The network is the one after the last epoch.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli
from avmm.utils.config import OptionsAction, load_config
from avmm.utils.errors import ConfigError, DataError
from avmm.utils.tooling import REPO_ROOT, tool_parser

EXAMPLES = """
python projects/inverse_balance/tools/evidence.py
python projects/inverse_balance/tools/evidence.py --variants vanilla joint inverse --methods normal ogmge
python projects/inverse_balance/tools/evidence.py --seeds 0 --cfg-options train_cfg.max_epochs=2 --out-dir /tmp/try
"""
METHODS = ('normal', 'mslr', 'ogmge', 'lfm')
VARIANTS = ('vanilla', 'joint', 'inverse')


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--out-dir', default='work_dirs/evidence',
                        help='runs and tables (default: work_dirs/evidence)')
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=METHODS, help='default: all four')
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=('vanilla', 'inverse'),
                        help='default: vanilla inverse; joint trains the heads as inverse does and scales nothing')
    parser.add_argument('--seeds', nargs='+', type=int, default=list(range(5)), help='default: 0 1 2 3 4')
    parser.add_argument('--configs', default=str(Path(__file__).resolve().parents[1] / 'configs' / 'av_digits'),
                        help='folder of METHOD.py and METHOD_VARIANT.py (default: those on AV-Digits)')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, default={}, metavar='KEY=VALUE',
                        help='settings to override in every config')
    parser.add_argument('--threads', type=int, default=1, help='threads of a run (default: 1)')
    parser.add_argument('--table-only', action='store_true', help='start no run, only renew the tables')
    parser.add_argument('--run-one', nargs=2, metavar=('ROW', 'SEED'), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def row_name(method: str, variant: str) -> str:
    """Name of a row's config and folder."""
    return method if variant == 'vanilla' else f'{method}_{variant}'


def load_row(args: argparse.Namespace, row: str):
    """The config of a row, and a short name of everything that is set in it."""
    cfg = load_config(Path(args.configs) / f'{row}.py', args.cfg_options)
    settings = json.dumps(cfg.to_dict(), sort_keys=True, default=str)
    return cfg, hashlib.sha256(settings.encode()).hexdigest()[:16]


def run_folder(args: argparse.Namespace, row: str, seed: int) -> Path:
    return Path(args.out_dir) / row / f'seed_{seed}'


def finished(folder: Path, settings: str) -> dict | None:
    """What a run has left, or None if it has not ended.

    Raises:
        DataError: If it was a run with other settings.
    """
    path = folder / 'result.json'
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding='utf-8'))
    if result['settings'] != settings:
        raise DataError(f'{folder}: holds a run with other settings; choose another --out-dir, or delete it')
    return result


def train_one(args: argparse.Namespace, row: str, seed: int) -> None:
    """Train and test one row with one seed, and write ``result.json``."""
    import torch

    from avmm.engine.build import build_runner
    from avmm.engine.checkpoint import write_atomically
    torch.set_num_threads(args.threads)
    cfg, settings = load_row(args, row)
    folder = run_folder(args, row, seed)
    cfg.work_dir, cfg.launcher = str(folder), 'none'
    cfg.setdefault('randomness', {})['seed'] = seed
    begin = time.monotonic()
    runner = build_runner(cfg, REPO_ROOT)
    runner.train()
    trained = time.monotonic() - begin
    metrics = {key: float(value) for key, value in runner.test().items() if isinstance(value, (int, float))}
    result = dict(settings=settings, row=row, seed=seed, seconds=trained, metrics=metrics)
    with write_atomically(folder / 'result.json') as file:
        file.write(json.dumps(result, indent=1).encode())


def start(args: argparse.Namespace, argv: list[str], row: str, seed: int) -> None:
    """Run one row in a process of its own.

    Raises:
        DataError: If it fails.
    """
    folder = run_folder(args, row, seed)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / 'output.txt'
    threads = str(args.threads)
    with log.open('w', encoding='utf-8') as file:
        done = subprocess.run([sys.executable, str(Path(__file__).resolve()), *argv, '--run-one', row, str(seed)],
                              stdout=file, stderr=subprocess.STDOUT,
                              env=dict(os.environ, OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads))
    if done.returncode or not (folder / 'result.json').is_file():
        last = log.read_text(encoding='utf-8').strip().splitlines() or ['it printed nothing']
        raise DataError(f'{row}, seed {seed}: the run failed: {last[-1]}; all it printed is in {log}')


def run_all(args: argparse.Namespace, argv: list[str]) -> list[dict]:
    """Start what has not ended yet, and return the results of all finished runs.

    Seeds are the outer loop: after an interruption every row has about as many.
    """
    from projects.inverse_balance.tools.evidence_tables import write_tables
    rows = [row_name(m, v) for m in args.methods for v in args.variants]
    settings = {row: load_row(args, row)[1] for row in rows}
    plan = [(row, seed) for seed in args.seeds for row in rows]
    results = {key: finished(run_folder(args, *key), settings[key[0]]) for key in plan}
    waiting = [key for key in plan if results[key] is None]
    print(f'{len(plan) - len(waiting)} of {len(plan)} runs are finished')
    for number, key in enumerate([] if args.table_only else waiting, 1):
        start(args, argv, *key)
        results[key] = finished(run_folder(args, *key), settings[key[0]])
        shown = ', '.join(f'{name.partition("/")[2]} {value:.1f}' for name, value in results[key]['metrics'].items()
                          if name.startswith('accuracy/') and '_top' not in name)
        print(f'[{number}/{len(waiting)}] {key[0]}, seed {key[1]}: {shown} ({results[key]["seconds"]:.0f} s)',
              flush=True)
        write_tables(Path(args.out_dir), [result for result in results.values() if result])
    return [result for result in results.values() if result]


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    args = parse_args(argv)
    if args.threads < 1:
        raise ConfigError(f'--threads {args.threads}: must be 1 or more')
    if len(set(args.seeds)) != len(args.seeds):
        raise ConfigError('--seeds: one is named twice')
    if args.run_one:
        return train_one(args, args.run_one[0], int(args.run_one[1]))
    results = run_all(args, argv)
    if not results:
        raise DataError(f'{args.out_dir}: no run is finished, so there is no table')
    from projects.inverse_balance.tools.evidence_tables import write_tables
    text, paths = write_tables(Path(args.out_dir), results)
    print(f'\n{text}\ntables: {", ".join(map(str, paths))}')


if __name__ == '__main__':
    run_cli(main)
