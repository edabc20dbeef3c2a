"""How fast training is, where its time goes, and how that compares with another config or a plain reference.

  data     the data pipeline alone
  step     the training step alone, on one batch
  both     the two together, with the share of the time lost to waiting for data
  epoch    an epoch end to end: training and its evaluation
  memory   peak memory of a training process and its workers
  loop     our training loop against a bare PyTorch loop with the same model, data and optimiser
  balance  what balancing hooks add to a step
  history  what logging costs an iteration after 1 k, 100 k and 200 k iterations, ours and mmengine's
  decode   decoding for an extraction, the model excluded
  extract  what the extraction engine adds to the time of the model alone

Every case is warmed up and repeated, all cases in turn; the median is given, and half the distance of the quartiles as
the spread. Memory is measured once for each, in a process of its own.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import add_config_args, add_device_args, check_out, pick_device, tool_parser

if TYPE_CHECKING:
    from benchmarks.subjects import Subject

EXAMPLES = """
python tools/analysis_tools/benchmark.py configs/quickstart/av_digits.py --what data step both
python tools/analysis_tools/benchmark.py configs/quickstart/av_digits.py --what loop --iters 20
python tools/analysis_tools/benchmark.py benchmarks/configs/clips.py --what data --workers 1 \\
    --compare benchmarks/data_pipeline.py benchmarks/configs/clips_cached.py
python tools/analysis_tools/benchmark.py benchmarks/configs/ave_cmran.py --what data step epoch \\
    --compare benchmarks/ave_cmran.py --reference-options dtype=float32
python tools/analysis_tools/benchmark.py benchmarks/configs/clips.py --what balance --batch-size 8 --iters 2
python tools/analysis_tools/benchmark.py configs/quickstart/av_digits.py --what history --out history.json
python tools/analysis_tools/benchmark.py benchmarks/configs/extraction_vgg19.py --what decode --iters 64 --workers 2 \\
    --compare benchmarks/extraction.py
python tools/analysis_tools/benchmark.py benchmarks/configs/extraction_resnet18.py --what extract --iters 4 --ranks 2
"""
WHAT = ('data', 'step', 'both', 'epoch', 'memory', 'loop', 'balance', 'history', 'decode', 'extract')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser)
    parser.add_argument('--what', nargs='+', choices=WHAT, default=['data', 'step', 'both'],
                        help='what to measure (default: data step both)')
    parser.add_argument('--compare', nargs='+', default=[], metavar='CONFIG|REFERENCE',
                        help='other configs, or plain references of benchmarks/, measured in the same run')
    parser.add_argument('--reference-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='options of the plain references, such as dtype=float32')
    parser.add_argument('--split', default='train', help='split to read (default: train)')
    parser.add_argument('--repeats', type=int, default=5, help='repeats that count (default: 5)')
    parser.add_argument('--warm-up', type=int, default=1, help='repeats before them (default: 1)')
    parser.add_argument('--iters', type=int, default=10, help='iterations of a repeat (default: 10)')
    parser.add_argument('--batch-size', type=int, help="default: the config's")
    parser.add_argument('--workers', type=int, help="worker processes (default: the config's)")
    parser.add_argument('--threads', type=int, help="threads of torch (default: torch's)")
    parser.add_argument('--clock', choices=['wall', 'cpu'], default='wall',
                        help='cpu counts the processor seconds of this process and its workers, which other programs '
                        'disturb less (default: wall)')
    parser.add_argument('--amp', action='store_true', help='mixed precision: fp16 on a GPU, bf16 on a CPU')
    parser.add_argument('--compile', action='store_true', help='torch.compile the model')
    parser.add_argument('--hooks', nargs='+', default=['OGM', 'OGMGE'],
                        help='balancing hooks of --what balance (default: OGM OGMGE)')
    parser.add_argument('--lengths', type=int, nargs='+', default=[1000, 100_000, 200_000],
                        help='iterations already logged, of --what history')
    parser.add_argument('--media', help='clip of --what decode and extract, copied --iters times (default: a video of '
                        '$AVMM_REAL_DATA, or a made one)')
    parser.add_argument('--ranks', type=int, default=1, help='processes of --what extract (default: 1)')
    add_device_args(parser)
    parser.add_argument('--out', help='also write all figures to this .json file')
    args = parser.parse_args(argv)
    for name in ('repeats', 'iters', 'ranks'):
        if getattr(args, name) < 1:
            raise ConfigError(f'--{name} {getattr(args, name)}: must be at least 1')
    for option in args.reference_options:
        if not option.partition('=')[2]:
            raise ConfigError(f'--reference-options {option}: must be KEY=VALUE')
    args.reference_options = dict(option.split('=', 1) for option in args.reference_options)
    return args


def measure_data(subjects: list[Subject], references: list[str], args: argparse.Namespace) -> dict:
    from benchmarks.pipeline import DataCase
    loaders = {subject.name: subject.loader() for subject in subjects}
    loaders.update(references_of(subjects, references, 'data'))
    return {name: DataCase(loader, args.iters) for name, loader in loaders.items()}


def measure_step(subjects: list[Subject], references: list[str], args: argparse.Namespace) -> dict:
    from benchmarks.epoch import ReferenceSteps
    cases = {subject.name: subject.step() for subject in subjects}
    offered = references_of(subjects, references, 'step')
    return {**cases, **{name: ReferenceSteps(*step, args.iters) for name, step in offered.items()}}


def measure_epoch(subjects: list[Subject], references: list[str], folder: str) -> dict:
    from benchmarks.epoch import ReferenceEpochs
    from benchmarks.subjects import check_same_items
    cases = {subject.name: subject.epoch(str(Path(folder, str(i)))) for i, subject in enumerate(subjects)}
    for name, epoch in references_of(subjects, references, 'epoch').items():
        first, cases[name] = cases[subjects[0].name], ReferenceEpochs(*epoch)
        check_same_items(first, name, cases[name])
    return cases


def references_of(subjects: list[Subject], references: list[str], what: str) -> dict:
    """What the references offer for the work of the first config, by name, never that of a config."""
    from benchmarks.references import offering
    taken = {subject.name for subject in subjects}
    task = subjects[0].task()
    return {f'plain {name}' if name in taken else name: offer(task)
            for name, offer in offering(references, what).items()}


def measure_memory(subjects: list[Subject], references: list[str], args: argparse.Namespace) -> dict:
    """Bytes in memory, for each in turn; prints them."""
    import torch

    from benchmarks.memory import measure
    from benchmarks.references import offering
    from benchmarks.subjects import training_work
    paths = [subject.path for subject in subjects]
    paths += [path for path in references if offering([path], 'epoch')]
    width = max(len(path) for path in paths)
    print(f'\nmemory, GB\n{"":<{width}}  {"before":>7}  {"peak":>7}  {"peak without pages of files":>28}')
    figures = {}
    for path in paths:
        figures[path] = found = measure(training_work, (path, paths[0], args), torch.get_num_threads())
        print(f'{path:<{width}}  {found["start"]["rss"] / 1e9:>7.3f}  {found["peak"]["rss"] / 1e9:>7.3f}  '
              f'{found["peak"]["anonymous"] / 1e9:>28.3f}')
    return figures


def time_loop(subject: Subject, args: argparse.Namespace) -> dict:
    """Timings of our loop and of the bare one, on ``iters`` batches an epoch."""
    from benchmarks.loop import measure
    loader = subject.loader()
    if hasattr(loader.dataset, 'get_subset'):
        size = min(len(loader.dataset), args.iters * loader.batch_size)
        loader = subject.loader(loader.dataset.get_subset(range(size)))
    with tempfile.TemporaryDirectory() as folder:
        return measure(subject.cfg, loader, folder, args.repeats, args.warm_up)


def run(what: str, subjects: list[Subject], references: list[str], args: argparse.Namespace) -> dict:
    """Measure one thing and print it; returns the figures."""
    from benchmarks.timing import in_turn, ratio
    if what == 'memory':
        return measure_memory(subjects, references, args)
    cases: dict = {}
    if what == 'extract' and args.ranks > 1:
        from benchmarks.extraction_cases import measure_ranks
        timings = measure_ranks(subjects[0].path, args)
    elif what == 'loop':
        timings = time_loop(subjects[0], args)
    else:
        with contextlib.ExitStack() as stack:
            cases = build_cases(what, subjects, references, args, stack)
            timings = in_turn(cases, args.repeats, args.warm_up)
    first = next(iter(timings.values()))
    figures = {name: dict(timing.report(), ratio=ratio(first, timing)) for name, timing in timings.items()}
    for name, case in cases.items():
        extra = details(case, args.warm_up)
        if 'hook_ms_per_step' in extra:
            step_ms, noise_ms = (1e3 * timings[k].median * case.step.samples for k in ('Normal', 'noise alone'))
            extra['hook_share'] = extra['hook_ms_per_step'] / step_ms
            extra['noise_share'] = noise_ms / step_ms
        figures[name].update(extra)
    show(what, figures)
    return figures


def build_cases(what: str, subjects: list[Subject], references: list[str], args: argparse.Namespace,
                stack: contextlib.ExitStack) -> dict:
    """What is timed in turn, by name; folders that it needs are there until ``stack`` closes."""
    from benchmarks import balance, history
    if what == 'data':
        return measure_data(subjects, references, args)
    if what == 'step':
        return measure_step(subjects, references, args)
    if what == 'both':
        return {subject.name: subject.both() for subject in subjects}
    if what == 'epoch':
        return measure_epoch(subjects, references, stack.enter_context(tempfile.TemporaryDirectory()))
    if what in ('decode', 'extract'):
        return extraction_cases(what, subjects, references, args, stack.enter_context(tempfile.TemporaryDirectory()))
    if what == 'balance':
        return balance.cases(subjects[0].step(), args.hooks)
    return history.cases(args.lengths, 10 * args.iters)


def extraction_cases(what: str, subjects: list[Subject], references: list[str], args: argparse.Namespace,
                     folder: str) -> dict:
    """Decoding of the configs and of the references; or the model alone, and the engine around it."""
    from benchmarks import extraction_cases as cases
    from benchmarks.references import Task, offering
    if any(not subject.cfg.get('extractors') for subject in subjects):
        raise ConfigError(f'--what {what}: the config names no extractors; see benchmarks/configs/extraction_vgg19.py')
    if what == 'extract':
        return cases.build(subjects[0].path, folder, args)
    paths, workers = cases.copies(folder, args.iters, args.media), 2 if args.workers is None else args.workers
    task = Task(cfg=subjects[0].cfg, split='', seed=args.seed, batch_size=0, num_workers=workers, device='cpu',
                options=dict(args.reference_options), open_dataset=lambda: paths)
    ours = {subject.name: cases.DecodeCase(subject.cfg, paths, workers) for subject in subjects}
    return {**ours, **{name: offer(task) for name, offer in offering(references, 'decode').items()}}


def details(case, warm_up: int) -> dict:
    """What a case knows beside its time."""
    import statistics
    if getattr(case, 'waiting', None):
        return dict(waiting=statistics.median(case.waiting[warm_up:]))
    if getattr(case, 'inside', None):
        return dict(hook_ms_per_step=1e3 * statistics.median(case.inside[warm_up:]))
    return {}


def show(what: str, figures: dict) -> None:
    unit = 'iteration' if what == 'history' else 'sample'
    width = max(len(name) for name in figures)
    print(f'\n{what}\n{"":<{width}}  {unit + "s/s":>13}  {"ms/" + unit:>13}  {"spread":>7}  time over the first')
    for name, row in figures.items():
        line = (f'{name:<{width}}  {row["samples_per_s"]:>13.1f}  {row["ms_per_sample"]:>13.4f}  '
                f'{100 * row["spread"]:>6.1f}%  {row["ratio"]:.3f}')
        if 'waiting' in row:
            line += f'  {100 * row["waiting"]:.1f} % of the time waiting for data'
        if 'hook_share' in row:
            line += (f'  the hook itself: {row["hook_ms_per_step"]:.2f} ms, {100 * row["hook_share"]:.2f} % of a step '
                     f'(noise alone {100 * row["noise_share"]:.2f} %)')
        print(line)


def machine(device) -> dict:
    import torch
    return dict(python=platform.python_version(), torch=torch.__version__, cpu=platform.machine(),
                threads=torch.get_num_threads(), device=str(device),
                gpu=torch.cuda.get_device_name(device) if device.type == 'cuda' else None)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    import torch

    from benchmarks.references import check_references, is_reference
    from benchmarks.subjects import Subject
    from benchmarks.timing import use_clock
    use_clock(args.clock)
    device = pick_device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    references = [path for path in args.compare if is_reference(path)]
    check_references(references, args.what)
    subjects = [Subject(path, args) for path in [args.config] + [p for p in args.compare if p not in references]]
    facts = machine(device)
    print(', '.join(f'{key} {value}' for key, value in facts.items() if value is not None))
    figures = {what: run(what, subjects, references, args) for what in args.what}
    if args.out:
        text = json.dumps(dict(machine=facts, settings=vars(args), figures=figures), indent=2)
        check_out(args.out, ('.json', )).write_text(text, encoding='utf-8')
        print(f'\nfigures: {args.out}')


if __name__ == '__main__':
    run_cli(main)
