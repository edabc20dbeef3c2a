"""How fast UAVM is against its plain reference, and how much memory its analyses take.

  python -m benchmarks.uavm_cases step        training steps at the published size, batch 8, audio and video in turn
  python -m benchmarks.uavm_cases layers      features of all layers of one modality, against one forward
  python -m benchmarks.uavm_cases retrieval   1,545 clips, 1,024 dimensions
  python -m benchmarks.uavm_cases attention   differences of the attention maps, 1,545 and 15,446 clips: peak memory

Times are processor seconds of one thread; cases run in turn, and the median of the ratios counts. Memory: Linux only.
"""
from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402

from avmm.evaluation.functional import retrieval_scores  # noqa: E402
from avmm.registry import MODELS  # noqa: E402
from avmm.structures import AVDataSample  # noqa: E402
from benchmarks.dmin_cases import in_turn  # noqa: E402
from benchmarks.uavm import PlainUAVM, Training, plain_retrieval  # noqa: E402
from projects.uavm.uavm import converter  # noqa: E402
from projects.uavm.uavm.analysis import attention_of, mean_differences  # noqa: E402

MODEL = REPO / 'projects/uavm/configs/_base_/models/uavm.py'
#: The published optimiser, its several passes over the weights made one.
OPTIMIZER = dict(type='OptimWrapper', zero_grad_set_to_none=False, optimizer=dict(
    type='Adam', lr=5e-5, betas=(0.95, 0.999), weight_decay=5e-7, fused=True))


def our_model(**changes):
    """The model of the config."""
    cfg = Config.fromfile(MODEL)
    cfg.merge_from_dict(dict(model=changes))
    with DefaultScope.overwrite_default_scope('avmm'):
        return MODELS.build(cfg.model)


def features(size: int) -> dict[str, torch.Tensor]:
    """Random features of both modalities."""
    return {m: torch.randn(size, 30, 1024) for m in ('audio', 'visual')}


def step(size: int, repeats: int) -> None:
    plain, ours = PlainUAVM(), our_model().train()
    ours.load_state_dict(converter.from_official(plain.state_dict()))
    target = torch.rand(size, 309).softmax(-1)
    samples = [AVDataSample().set_gt_score(row) for row in target]
    training = Training(plain)
    with DefaultScope.overwrite_default_scope('avmm'):
        wrapper = build_optim_wrapper(ours, OPTIMIZER)
    inputs = features(size)

    def both(run: Callable) -> Callable:
        return lambda: [run({m: x}) for m, x in inputs.items()]

    in_turn(f'audio and video step, batch {size}', {
        'plain': both(lambda x: training.step(x, target)),
        'ours': both(lambda x: ours.train_step(dict(inputs=x, data_samples=samples), wrapper))}, repeats)


@torch.no_grad()
def layers(size: int, repeats: int) -> None:
    plain, ours = PlainUAVM().eval(), our_model().eval()
    ours.load_state_dict(converter.from_official(plain.state_dict()))
    audio = features(size)['audio']
    in_turn(f'layers of audio, batch {size}', {
        'our forward': lambda: ours(dict(audio=audio)), 'our layers': lambda: ours.layer_feats(dict(audio=audio)),
        'plain forward': lambda: plain(audio, 'audio'), 'plain layers': lambda: plain.all_layers(audio, 'audio')},
        repeats)


def retrieval(count: int, repeats: int) -> None:
    rng = np.random.default_rng(0)
    audio = rng.standard_normal((count, 1024)).astype(np.float32)
    visual = (audio + 20 * rng.standard_normal((count, 1024))).astype(np.float32)
    found = [run(audio, visual) for run in (plain_retrieval, retrieval_scores)]
    assert found[0] == found[1], found
    in_turn(f'retrieval, {count} clips', {'plain': lambda: plain_retrieval(audio, visual),
                                          'ours': lambda: retrieval_scores(audio, visual)}, repeats)


def attention(count: int) -> None:
    """Print the peak of this process while it averages the differences of so many clips."""
    # The maps have their published size; narrow layers save time.
    model = our_model(channels=64, shared_channels=64, in_channels=64, num_classes=5).eval()

    def loader():
        for first in range(0, count, 400):
            size = min(400, count - first)
            yield dict(inputs={m: torch.randn(size, 30, 64) for m in ('audio', 'visual')}, data_samples=[])

    mean_differences(attention_of(model, itertools.islice(loader(), 2)))
    before = _status('VmRSS')
    Path('/proc/self/clear_refs').write_text('5')
    differences = mean_differences(attention_of(model, loader()))
    maps = count * 4 * 30 * 30 * 4 * len(differences) * 2 / 2 ** 20
    print(f'{count:>6} clips: peak {_status("VmHWM") - before:5.0f} MiB above the model; all maps would be '
          f'{maps:6.0f} MiB', flush=True)


def _status(field: str) -> float:
    return int(re.search(rf'{field}:\s+(\d+)', Path('/proc/self/status').read_text())[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=['step', 'layers', 'retrieval', 'attention'])
    parser.add_argument('--size', type=int, help='batch size, or number of clips')
    parser.add_argument('--repeats', type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if args.what == 'attention' and args.size:
        attention(args.size)
    elif args.what == 'attention':
        for count in (1545, 15446):
            subprocess.run([sys.executable, '-m', 'benchmarks.uavm_cases', 'attention', '--size', str(count)],
                           cwd=REPO, check=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    elif args.what == 'retrieval':
        retrieval(args.size or 1545, args.repeats)
    else:
        dict(step=step, layers=layers)[args.what](args.size or 8, args.repeats)


if __name__ == '__main__':
    main()
