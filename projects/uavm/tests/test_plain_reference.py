"""The plain reference of the benchmarks does the work of ours: the same updates, layers and ranks."""
from __future__ import annotations

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from avmm.evaluation.functional import retrieval_scores
from avmm.structures import AVDataSample
from benchmarks.references import Task
from benchmarks.uavm import OFFERS, PlainUAVM, Training, plain_retrieval
from benchmarks.uavm_cases import OPTIMIZER
from projects.uavm.uavm import converter
from projects.uavm.uavm.models import UAVM


def pair():
    torch.manual_seed(0)
    plain = PlainUAVM(16, 2, 2, 1, 5, 6, 12)
    with DefaultScope.overwrite_default_scope('avmm'):
        ours = UAVM(num_classes=5, specific_depth=2, shared_depth=1, channels=16, num_heads=2, num_steps=6,
                    in_channels=12)
    ours.load_state_dict(converter.from_official(plain.state_dict()))
    return plain, ours


def test_updates_are_the_same():
    plain, ours = pair()
    target = torch.rand(3, 5).softmax(-1)
    samples = [AVDataSample().set_gt_score(row) for row in target]
    training = Training(plain)
    with DefaultScope.overwrite_default_scope('avmm'):
        wrapper = build_optim_wrapper(ours.train(), OPTIMIZER)
    start = {name: value.clone() for name, value in plain.state_dict().items()}
    for modalities in (('audio', ), ('visual', ), ('audio', ), ('audio', 'visual')):
        inputs = {m: torch.randn(3, 6, 12) for m in modalities}
        loss = training.step(inputs, target)
        got = ours.train_step(dict(inputs=inputs, data_samples=samples), wrapper)['loss']
        torch.testing.assert_close(got.item(), loss, rtol=1e-5, atol=0)
    for name, value in converter.to_official(ours.state_dict()).items():
        torch.testing.assert_close(value - start[name], plain.state_dict()[name] - start[name], rtol=1e-2, atol=2e-6)


def test_step_for_the_benchmark_of_a_config():
    def clip(i: int) -> dict:
        sample = AVDataSample().set_gt_score(torch.rand(5).softmax(-1))
        return dict(inputs={m: torch.full((6, 12), i / 10) for m in ('audio', 'visual')}, data_samples=sample)

    cfg = Config(dict(model=dict(num_classes=5, specific_depth=1, shared_depth=1, channels=16, num_heads=2,
                                 num_steps=6, loss=dict(type='BCELoss'))))
    task = Task(cfg, 'train', 0, 3, 0, 'cpu', {'modality': 'audio'}, lambda: [clip(i) for i in range(4)])
    run, size = OFFERS['step'](task)
    first, second = run(), run()
    assert size == 3 and second < first


def test_layers_are_the_same():
    plain, ours = pair()
    audio = torch.randn(3, 6, 12)
    with torch.no_grad():
        found = ours.eval().layer_feats(dict(audio=audio))['audio']
        for k, expected in enumerate(plain.eval().all_layers(audio, 'audio')):
            torch.testing.assert_close(found[k], expected)


def test_ranks_are_the_same():
    rng = np.random.default_rng(0)
    audio, visual = (rng.standard_normal((40, 6)).astype(np.float32) for _ in range(2))
    visual[3] = visual[7]
    assert plain_retrieval(audio, visual) == retrieval_scores(audio, visual)
