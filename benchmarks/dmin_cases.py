"""How fast DIMN and DCMR are against their plain reference, how much memory they take, and how both grow with T.

  python -m benchmarks.dmin_cases steps     training steps and the dense attention, in turn, medians of the ratios
  python -m benchmarks.dmin_cases memory    peak memory of a DIMN step, each model in a process of its own
  python -m benchmarks.dmin_cases length    time and peak memory of a step of ours with 10 to 80 segments

Times are processor seconds of one thread. Linux only.
"""
from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402

from avmm.registry import MODELS  # noqa: E402
from avmm.structures import AVDataSample  # noqa: E402
from benchmarks.dmin import DenseAttention, Training  # noqa: E402

CONFIGS = dict(supervised='dimn_supv', a2v='dcmr_a2v')
# Freed memory goes back at once, so that the peak is what was in use.
MALLOC = dict(MALLOC_MMAP_THRESHOLD_='65536', MALLOC_TRIM_THRESHOLD_='65536', MALLOC_TOP_PAD_='65536')


def batch_of(task: str, size: int, length: int, dtype: torch.dtype):
    """Random features, the labels of the plain reference, and samples of ours."""
    grid = (7, 7) if task == 'supervised' else ()
    visual, audio = torch.rand(size, length, *grid, 512, dtype=dtype), torch.rand(size, length, 128, dtype=dtype)
    segments = torch.full((size, length), 28)
    segments[:, 2:length - 3] = 3
    marks = segments != 28
    samples = [AVDataSample().set_gt_segments(row).set_gt_mask(mask).set_gt_label(3)
               for row, mask in zip(segments.numpy(), marks.numpy(), strict=True)]
    labels = torch.nn.functional.one_hot(segments, 29) if task == 'supervised' else marks
    return [visual, audio, labels.to(dtype)], dict(inputs=dict(audio=audio, visual=visual), data_samples=samples)


def plain_step(task: str, dtype: str, size: int, length: int = 10) -> Callable[[], object]:
    """A training step of the plain reference."""
    training, (plain, _) = Training(task, dtype), batch_of(task, size, length, getattr(torch, dtype))
    return lambda: training.step(plain)


def our_step(task: str, dtype: str, size: int, length: int = 10, recompute: bool = False) -> Callable[[], object]:
    """A training step of ours."""
    cfg = Config.fromfile(REPO / f'projects/dmin/configs/_base_/models/{CONFIGS[task]}.py')
    cfg.model.dtype = dtype
    if recompute:
        cfg.model.visual_attention.recompute = True
    with DefaultScope.overwrite_default_scope('avmm'):
        model = MODELS.build(cfg.model).train()
        schedule = Config.fromfile(REPO / 'projects/dmin/configs/_base_/schedules/supv.py')
        wrapper = build_optim_wrapper(model, schedule.optim_wrapper)
    _, batch = batch_of(task, size, length, getattr(torch, dtype))
    return lambda: model.train_step(batch, wrapper)


def in_turn(title: str, cases: dict[str, Callable[[], object]], repeats: int) -> None:
    """Print medians, and the median ratio of the first case to each."""
    rounds = []
    for number in range(repeats + 1):
        seconds = []
        for run in cases.values():
            start = time.process_time()
            run()
            seconds.append(time.process_time() - start)
        rounds += [seconds] if number else []
    for i, name in enumerate(cases):
        ratio = statistics.median(row[0] / row[i] for row in rounds)
        print(f'{title:<28}{name:<22}{1e3 * statistics.median(row[i] for row in rounds):9.1f} ms  {ratio:6.2f} x',
              flush=True)


def steps(repeats: int) -> None:
    for task, size in (('supervised', 8), ('a2v', 32)):
        cases = {f'plain {dtype}': plain_step(task, dtype, size) for dtype in ('float64', 'float32')}
        cases |= {f'ours {dtype}': our_step(task, dtype, size) for dtype in ('float64', 'float32')}
        in_turn(f'{task}, batch {size}, step', cases, repeats)
    in_turn('supervised, batch 32, step', {'ours float32': our_step('supervised', 'float32', 32),
                                           'recompute float32': our_step('supervised', 'float32', 32, recompute=True)},
            repeats)
    plain = DenseAttention(256, 4).double().eval()
    with DefaultScope.overwrite_default_scope('avmm'):
        ours = MODELS.build(dict(type='DenseInterModalityAttention')).double().eval()
    ours.load_state_dict(plain.state_dict())
    query, memory = torch.randn(10, 32, 256).double(), torch.randn(20, 32, 256).double()
    first = [x.transpose(0, 1).contiguous() for x in (query, memory)]
    with torch.no_grad():
        in_turn('dense attention, batch 32', {'plain float64': lambda: plain(query, memory, memory),
                                              'ours float64': lambda: ours(*first)}, 5 * repeats)


def peak(name: str, dtype: str, size: int, length: int, repeats: int) -> None:
    """Print the time of a step and the peak of this process above what it took before it had a model."""
    before = _status('VmRSS')
    run = (plain_step('supervised', dtype, size, length) if name == 'plain' else
           our_step('supervised', dtype, size, length, recompute=name == 'recompute'))
    seconds = []
    for number in range(repeats + 1):
        if number == 1:
            Path('/proc/self/clear_refs').write_text('5')
        state, start = _status('VmRSS'), time.process_time()
        run()
        seconds.append(time.process_time() - start)
    top = _status('VmHWM')
    print(f'{name:<10} {dtype} batch {size:>2} T {length:>2}: {statistics.median(seconds[1:]):6.2f} s, peak '
          f'{top - before:5.0f} MiB with data, weights and Adam, {top - state:5.0f} MiB above them', flush=True)


def _status(field: str) -> float:
    return int(re.search(rf'{field}:\s+(\d+)', Path('/proc/self/status').read_text())[1]) / 1024


def apart(*arguments: object) -> None:
    """:func:`peak` in a process of its own."""
    subprocess.run([sys.executable, '-m', 'benchmarks.dmin_cases', 'peak', *map(str, arguments)], cwd=REPO, check=True,
                   env={**os.environ, **MALLOC, 'OMP_NUM_THREADS': '1'})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=['steps', 'memory', 'length', 'peak'])
    parser.add_argument('case', nargs='*', help='of peak: model, type, batch size, length')
    parser.add_argument('--repeats', type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == 'steps':
        steps(args.repeats)
    elif args.what == 'memory':
        for name in ('plain', 'ours', 'recompute'):
            apart(name, 'float32', 32, 10)
    elif args.what == 'length':
        for length in (10, 20, 40, 80):
            apart('ours', 'float32', 4, length)
    else:
        name, dtype, size, length = args.case
        peak(name, dtype, int(size), int(length), 2)


if __name__ == '__main__':
    main()
