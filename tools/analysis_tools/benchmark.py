"""How fast training is, where its time goes, and how that compares with another config or a plain reference.

  data     the data pipeline alone
  step     the training step alone, on one batch
  both     the two together, with the share of the time lost to waiting for data
  loop     our training loop against a bare PyTorch loop with the same model, data and optimiser
  balance  what balancing hooks add to a step
  history  what logging costs an iteration after 1 k, 100 k and 200 k iterations, ours and mmengine's

Every case is warmed up and repeated, all cases in turn; the median is given, and half the distance of the quartiles as
the spread.
"""
from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import run_cli
from avmm.utils.errors import ConfigError
from avmm.utils.tooling import (
    REPO_ROOT,
    add_config_args,
    add_device_args,
    build_loader,
    check_out,
    config_from,
    pick_device,
    tool_parser,
)

EXAMPLES = """
python tools/analysis_tools/benchmark.py configs/quickstart/av_digits.py --what data step both
python tools/analysis_tools/benchmark.py configs/quickstart/av_digits.py --what loop --iters 20
python tools/analysis_tools/benchmark.py benchmarks/configs/clips.py --what data --workers 1 \\
    --compare benchmarks/data_pipeline.py benchmarks/configs/clips_cached.py
python tools/analysis_tools/benchmark.py benchmarks/configs/clips.py --what balance --batch-size 8 --iters 2
python tools/analysis_tools/benchmark.py configs/quickstart/av_digits.py --what history --out history.json
"""
WHAT = ('data', 'step', 'both', 'loop', 'balance', 'history')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser)
    parser.add_argument('--what', nargs='+', choices=WHAT, default=['data', 'step', 'both'],
                        help='what to measure (default: data step both)')
    parser.add_argument('--compare', nargs='+', default=[], metavar='CONFIG|REFERENCE',
                        help='other configs, or plain references of benchmarks/, measured in the same run')
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
    add_device_args(parser)
    parser.add_argument('--out', help='also write all figures to this .json file')
    args = parser.parse_args(argv)
    for name in ('repeats', 'iters'):
        if getattr(args, name) < 1:
            raise ConfigError(f'--{name} {getattr(args, name)}: must be at least 1')
    return args


def is_reference(path: str) -> bool:
    """Whether ``path`` is a plain reference rather than a config."""
    return Path(path).resolve().parent == REPO_ROOT / 'benchmarks'


def load_reference(path: str):
    """The module of a plain reference.

    Raises:
        ConfigError: If it has no ``build_loader``.
    """
    if not Path(path).is_file():
        raise ConfigError(f'--compare {path}: no such file')
    spec = importlib.util.spec_from_file_location(f'plain_{Path(path).stem}', path)
    module = importlib.util.module_from_spec(spec)
    # Its data set crosses into worker processes by the name of its module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if not hasattr(module, 'build_loader'):
        raise ConfigError(f'--compare {path}: has no build_loader(clips, batch_size, num_workers); '
                          'a plain reference of the data pipeline needs one')
    return module


class Subject:
    """What is measured of one config: its loader, its model and its optimiser, each built when first asked for."""

    def __init__(self, path: str, args: argparse.Namespace):
        self.args, self.name = args, Path(path).stem
        self.cfg = config_from(argparse.Namespace(config=path, cfg_options=args.cfg_options), with_data=True)
        self.device = pick_device(args.device)

    def loader(self, dataset=None):
        args = self.args
        return build_loader(self.cfg, args.split, args.seed, dataset, args.batch_size, args.workers)

    def trainee(self):
        """A fresh model in training mode, and its optimiser."""
        import torch
        from mmengine.optim import build_optim_wrapper

        from avmm.apis import init_model
        model = init_model(self.cfg, device=self.device, seed=self.args.seed).train()
        if not self.cfg.get('optim_wrapper'):
            raise ConfigError(f'{self.name}: the config has no optim_wrapper, so there is no step to time')
        settings = dict(self.cfg.optim_wrapper)
        if self.args.amp:
            settings['type'] = 'AmpOptimWrapper'
        optim_wrapper = build_optim_wrapper(model, settings)
        if self.args.compile:
            model.forward = torch.compile(model.forward)
        return model, optim_wrapper

    def step(self):
        """The step on the first batch of the split."""
        from benchmarks.pipeline import StepCase
        args = self.args
        batch = next(iter(build_loader(self.cfg, args.split, args.seed, batch_size=args.batch_size, num_workers=0)))
        model, optim_wrapper = self.trainee()
        batch['inputs'] = model.data_preprocessor.cast_data(batch['inputs'])
        return StepCase(model, optim_wrapper, batch, args.iters)


def measure_data(subjects: list[Subject], references: list[str], args: argparse.Namespace) -> dict:
    from benchmarks.pipeline import DataCase, plain_task
    loaders = {subject.name: subject.loader() for subject in subjects}
    for path in references:
        first = loaders[subjects[0].name]
        clips, options = plain_task(first.dataset)
        loaders[Path(path).stem] = load_reference(path).build_loader(
            clips, first.batch_size, first.num_workers, **options)
    return {name: DataCase(loader, args.iters) for name, loader in loaders.items()}


def measure_both(subjects: list[Subject], args: argparse.Namespace) -> dict:
    from benchmarks.pipeline import BothCase
    return {subject.name: BothCase(*subject.trainee(), subject.loader(), args.iters) for subject in subjects}


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
    from benchmarks import balance, history
    from benchmarks.timing import in_turn, ratio
    cases: dict = {}
    if what == 'loop':
        timings = time_loop(subjects[0], args)
    else:
        if what == 'data':
            cases = measure_data(subjects, references, args)
        elif what == 'step':
            cases = {subject.name: subject.step() for subject in subjects}
        elif what == 'both':
            cases = measure_both(subjects, args)
        elif what == 'balance':
            cases = balance.cases(subjects[0].step(), args.hooks)
        else:
            cases = history.cases(args.lengths, 10 * args.iters)
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

    from benchmarks.timing import use_clock
    use_clock(args.clock)
    device = pick_device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    references = [path for path in args.compare if is_reference(path)]
    if references and 'data' not in args.what:
        raise ConfigError(f'--compare {references[0]}: a plain reference is for --what data; '
                          'loop and history bring their own')
    for path in references:
        load_reference(path)
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
