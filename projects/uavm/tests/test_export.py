"""Models of UAVM as programs: every model, on audio, on video and on both, in both formats."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import projects.uavm.uavm  # noqa: F401
from avmm.apis import init_model
from avmm.deployment import check_export, export_model
from avmm.deployment.export import batch_of
from avmm.engine.checkpoint import save_checkpoint
from avmm.registry import MODELS
from avmm.utils import ConfigError
from avmm.utils.tooling import example_inputs
from projects.uavm.tests.toy_uavm import toy_uavm_config
from tools.deployment import export

SMALL = dict(num_classes=5, specific_depth=1, shared_depth=1, channels=16, shared_channels=8, num_heads=2, num_steps=4,
             in_channels=dict(audio=6, visual=10))
WIDTHS = SMALL['in_channels']
ALONE = [('audio', ), ('visual', )]
BOTH = ('audio', 'visual')
LATE = ('UAVM', 'ModalityIndependentTransformer')
CASES = [(model, given, kind) for model in LATE for given in (*ALONE, BOTH) for kind in ('torch', 'onnx')]
CASES += [('CrossModalityTransformer', BOTH, kind) for kind in ('torch', 'onnx')]
#: Those of every run of the tests; translating takes its time.
QUICK = [(LATE[0], BOTH, 'torch'), (LATE[1], ('audio', ), 'torch'), ('CrossModalityTransformer', BOTH, 'torch')]
CASES = [case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in CASES]
EXTRACTOR = dict(
    type='UAVMAudioExtractor', num_classes=5, fusion=dict(type='ConcatFusion'),
    encoders=dict(audio=dict(type='ConvNeXtEncoder', size=dict(channels=(4, 8), depths=(1, 1)), in_channels=1,
                             layer_scale=1.0)))


def build(cfg: dict) -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS.build(cfg).eval()


def exported(model, inputs: dict[str, torch.Tensor], path: Path, kind: str) -> list[str]:
    """Names of the answers of the program, which has been compared with the model on three sizes of batches."""
    program = export_model(model, dict(zip(inputs, batch_of(inputs, 2), strict=True)), path, kind)
    gap = check_export(program, path, kind, [batch_of(inputs, n, seed=n) for n in (1, 2, 5)])
    assert gap < 2e-6
    return program.output_names


@pytest.mark.parametrize(('model', 'given', 'kind'), CASES)
def test_models_answer_as_programs_do(tmp_path, model, given, kind):
    inputs = {m: torch.zeros(1, 4, WIDTHS[m]) for m in given}
    names = exported(build(dict(SMALL, type=model)), inputs, tmp_path / 'model', kind)
    alone = [] if model == 'CrossModalityTransformer' else [f'{m}_scores' for m in given]
    assert names == ['joint_scores', *alone]


@pytest.mark.slow
@pytest.mark.parametrize('depths', [(2, 0), (0, 2)])
@pytest.mark.parametrize('kind', ['torch', 'onnx'])
def test_models_without_a_part_are_programs_too(tmp_path, kind, depths):
    inputs = {m: torch.zeros(1, 4, WIDTHS[m]) for m in BOTH}
    model = build(dict(SMALL, type='UAVM', specific_depth=depths[0], shared_depth=depths[1]))
    assert exported(model, inputs, tmp_path / 'model', kind) == ['joint_scores', 'audio_scores', 'visual_scores']


def test_cross_modality_attention_needs_both(tmp_path):
    model = build(dict(SMALL, type='CrossModalityTransformer'))
    with pytest.raises(ConfigError, match='attends over both modalities; visual is missing'):
        export_model(model, dict(audio=torch.zeros(2, 4, 6)), tmp_path / 'model.pt2')


@pytest.mark.parametrize('kind', ['torch', pytest.param('onnx', marks=pytest.mark.slow)])
def test_the_extractor_gives_scores_and_features(tmp_path, kind):
    model = build(EXTRACTOR)
    inputs = dict(audio=torch.zeros(1, 1, 32, 96))
    assert exported(model, inputs, tmp_path / 'model', kind) == ['joint_scores', 'features']
    with torch.no_grad():
        banks = torch.rand(2, 1, 32, 96)
        found = model.answers(dict(audio=banks))
        torch.testing.assert_close(found['features'], model.encoders.audio.feature_steps(banks))
        torch.testing.assert_close(found['joint_scores'], model(dict(audio=banks)).sigmoid())


def test_the_command_makes_a_program_of_a_checkpoint(tmp_path, capsys):
    """From packed features, which the data set gives raw in batches; the program is run by onnxruntime."""
    import onnxruntime
    cfg = toy_uavm_config(tmp_path / 'data', tmp_path / 'work')
    clips = dict(cfg.val_dataloader.dataset, store='features.h5', mode='batch')
    cfg.test_dataloader = dict(cfg.val_dataloader, dataset=clips)
    cfg.dump(tmp_path / 'config.py')
    torch.manual_seed(3)
    model = init_model(cfg, None)
    save_checkpoint(dict(state_dict=model.state_dict()), str(tmp_path / 'model.pth'))
    assert {m: x.shape for m, x in example_inputs(cfg).items()} == dict.fromkeys(BOTH, (1, 6, 8))
    export.main([str(tmp_path / 'config.py'), str(tmp_path / 'model.pth'), '--out', str(tmp_path / 'model.onnx')])
    printed = capsys.readouterr().out
    assert 'audio (batch, 6, 8) float32' in printed
    assert 'outputs: joint_scores, audio_scores, visual_scores' in printed
    given = {m: torch.rand(3, 6, 8) for m in BOTH}
    session = onnxruntime.InferenceSession(str(tmp_path / 'model.onnx'), providers=['CPUExecutionProvider'])
    joint, sound = session.run(['joint_scores', 'audio_scores'], {m: x.numpy() for m, x in given.items()})
    with torch.no_grad():
        np.testing.assert_allclose(joint, model.eval()(given).numpy(), atol=2e-6)
        np.testing.assert_allclose(sound, model(dict(audio=given['audio'])).numpy(), atol=2e-6)
