"""Train and test every method on synthetic UCF-GZSL, several seeds each, and make a table of them.

A run is a process of its own, ``tools/train.py`` with the config ``METHOD_synthetic.py``: stage 1, stage 2 and the
test. Finished runs are skipped and interrupted ones go on where they were, so that the same command continues what was
stopped. The tables, as markdown and JSON, are renewed after every run: mean and standard deviation over the seeds.
Class means, a yardstick without training, are measured on the same data.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError, DataError
from avmm.utils.tooling import REPO_ROOT, tool_parser

EXAMPLES = """
python projects/tcaf/tools/synthetic_table.py
python projects/tcaf/tools/synthetic_table.py --methods tcaf avca --seeds 0
python projects/tcaf/tools/synthetic_table.py --table-only
python projects/tcaf/tools/synthetic_table.py --out-dir /tmp/try --cfg-options train_cfg.max_epochs=1
"""
NAMES = {
    'tcaf': 'TCAF', 'perceiver': 'Perceiver (design of ours)', 'attention_fusion': 'Attention fusion (design of ours)',
    'avca': 'AVCA', 'avgzslnet': 'AVGZSLNet', 'cjme': 'CJME', 'ale': 'ALE', 'devise': 'DeViSE', 'sje': 'SJE',
    'apn': 'APN', 'fvaegan': 'f-VAEGAN-D2, SeLaVi-like features, nine unseen classes'}
MEANS = 'Nearest class mean, those of unseen classes guessed from words'
SHOWN = ('seen', 'unseen', 'hm', 'zsl')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--out-dir', default='work_dirs/tcaf_synthetic_table',
                        help='runs and tables (default: work_dirs/tcaf_synthetic_table)')
    parser.add_argument('--methods', nargs='+', choices=list(NAMES), default=list(NAMES), help='default: all')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], help='default: 0 1 2')
    parser.add_argument('--configs', default=str(Path(__file__).resolve().parents[1] / 'configs'),
                        help='folder of METHOD_synthetic.py (default: that of this project)')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='settings to override in every config')
    parser.add_argument('--table-only', action='store_true', help='start no run, only renew the tables')
    args = parser.parse_args(argv)
    if len(set(args.seeds)) != len(args.seeds) or len(set(args.methods)) != len(args.methods):
        raise ConfigError('--seeds and --methods: one is named twice')
    return args


def outcome(folder: Path, options: list[str]) -> dict[str, float] | None:
    """The test of a finished run in per cent, or None if it has not ended.

    Raises:
        DataError: If it was started with other settings.
    """
    known = folder / 'options.json'
    if known.is_file() and json.loads(known.read_text()) != options:
        raise DataError(f'{folder}: holds a run with other --cfg-options; choose another --out-dir, or delete it')
    path = folder / 'zero_shot.json'
    if not path.is_file():
        return None
    test = json.loads(path.read_text())['test']
    return {name: test[f'gzsl/{name}'] for name in SHOWN}


def train(args: argparse.Namespace, method: str, seed: int, folder: Path) -> None:
    """Run one method, from where an earlier call was stopped if there is something of it.

    Raises:
        DataError: If it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'options.json').write_text(json.dumps(args.cfg_options) + '\n')
    command = [sys.executable, str(REPO_ROOT / 'tools/train.py'), str(Path(args.configs) / f'{method}_synthetic.py'),
               '--work-dir', str(folder), '--seed', str(seed)]
    if (folder / 'last_checkpoint').is_file():
        command.append('--resume')
    if args.cfg_options:
        command += ['--cfg-options', *args.cfg_options]
    log = folder / 'output.txt'
    with log.open('a', encoding='utf-8') as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=dict(os.environ))
    if done.returncode:
        last = log.read_text(encoding='utf-8').strip().splitlines() or ['it printed nothing']
        raise DataError(f'{method}, seed {seed}: the run failed: {last[-1]}; all it printed is in {log}')


def class_means(config: Path) -> dict[str, float]:
    """The yardstick on the data of a config, in per cent."""
    from projects.tcaf.tcaf.class_means import two_stage_class_means
    from projects.tcaf.tcaf.dataset import GZSLDataset
    from projects.tcaf.tcaf.gzsl_metric import percentages
    from projects.tcaf.tools.class_means import dataset_options
    options = dataset_options(argparse.Namespace(data=str(config)))
    found = two_stage_class_means(lambda split: GZSLDataset(split=split, **options))
    return {name: value for name, value in percentages(found['test']).items() if name in SHOWN}


def cell(values: list[float]) -> str:
    """Mean and standard deviation; one value has none."""
    spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
    return f'{statistics.fmean(values):.1f}{spread}'


def write_table(folder: Path, results: dict[str, dict[int, dict[str, float]]], means: dict[str, float]) -> str:
    """Write ``table.md`` and ``table.json`` and return the former."""
    lines = ['| test on synthetic data, % | S | U | HM | ZSL | seeds |', '|---|---|---|---|---|---|']
    for method, runs in results.items():
        cells = [cell([run[name] for run in runs.values()]) for name in SHOWN]
        lines.append(f'| {NAMES[method]} | {" | ".join(cells)} | {len(runs)} |')
    lines.append(f'| {MEANS} | {" | ".join(cell([means[name]]) for name in SHOWN)} | |')
    text = '\n'.join(lines) + '\n'
    for name, content in (('table.md', text),
                          ('table.json', json.dumps(dict(runs=results, class_means=means), indent=1) + '\n')):
        part = folder / f'.{name}.tmp'
        part.write_text(content, encoding='utf-8')
        os.replace(part, folder / name)
    return text


def main(argv: list[str] | None = None) -> None:
    """Run what has not ended, and print the table."""
    args = parse_args(argv)
    folder, configs = Path(args.out_dir), {m: Path(args.configs) / f'{m}_synthetic.py' for m in args.methods}
    # Seeds are the outer loop: after an interruption every method has about as many.
    plan = [(method, seed) for seed in args.seeds for method in args.methods]
    found = {key: outcome(folder / key[0] / f'seed_{key[1]}', args.cfg_options) for key in plan}
    waiting = [] if args.table_only else [key for key in plan if found[key] is None]
    print(f'{sum(run is not None for run in found.values())} of {len(plan)} runs are finished', flush=True)
    means, text = None, ''
    for number in range(len(waiting) + 1):
        if number:
            method, seed = key = waiting[number - 1]
            train(args, method, seed, folder / method / f'seed_{seed}')
            found[key] = outcome(folder / method / f'seed_{seed}', args.cfg_options)
            print(f'[{number}/{len(waiting)}] {method}, seed {seed}: '
                  + ', '.join(f'{name} {value:.1f}' for name, value in found[key].items()), flush=True)
        results = {m: {s: found[m, s] for s in args.seeds if found[m, s]} for m in args.methods}
        results = {method: runs for method, runs in results.items() if runs}
        if results:
            means = means or class_means(next(iter(configs.values())))
            text = write_table(folder, results, means)
    if not text:
        raise DataError(f'{folder}: no run is finished, so there is no table')
    print(f'\n{text}\ntables: {folder / "table.md"}, {folder / "table.json"}')


if __name__ == '__main__':
    run_cli(main)
