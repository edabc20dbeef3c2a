"""Programs made of models: every kind of model, in both formats, on batches of other sizes than the example's."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from avmm.deployment import check_export, export_model
from avmm.deployment.export import ExportError, batch_of
from avmm.models.base import AVModel
from avmm.registry import MODELS
from avmm.utils import ConfigError
from avmm.utils.config import load_config

REPO = Path(__file__).resolve().parents[2]
SMALL = dict(type='SmallConvNet')
# Translating to ONNX takes its time.
KINDS = ['torch', pytest.param('onnx', marks=pytest.mark.slow)]
AVE = {'audio': (10, 128), 'visual': (10, 3, 3, 512)}


def classifier(fusion: str) -> AVModel:
    normal = dict(visual=dict(mean=[0.4] * 3, std=[0.2] * 3))
    return build(dict(type='AVClassifier', num_classes=5, fusion=dict(type=fusion),
                      data_preprocessor=dict(type='AVDataPreprocessor', normalize=normal),
                      encoders=dict(audio=dict(SMALL, in_channels=1), visual=dict(SMALL, in_channels=3))))


def build(cfg: dict) -> AVModel:
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('avmm'):
        model = MODELS.build(cfg)
    model.init_weights()
    return model.eval()


def inputs_of(shapes: dict[str, tuple[int, ...]], **kinds: torch.dtype) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(1, *shape, dtype=kinds.get(name, torch.float32)) for name, shape in shapes.items()}


def exported(model: AVModel, inputs: dict[str, torch.Tensor], path: Path, kind: str) -> list[np.ndarray]:
    """Export, check with three sizes of batches, and return the names of the answers."""
    example = dict(zip(inputs, batch_of(inputs, 2), strict=True))
    with DefaultScope.overwrite_default_scope('avmm'):
        program = export_model(model, example, path, kind)
        gap = check_export(program, path, kind, [batch_of(inputs, n, seed=n) for n in (1, 2, 5)])
    assert gap < 1e-5
    return program.output_names


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('fusion', ['ConcatFusion', 'FiLMFusion'])
def test_classifier_with_its_preprocessing(tmp_path, kind, fusion):
    inputs = inputs_of(dict(audio=(1, 32, 24), visual=(3, 2, 16, 16)), visual=torch.uint8)
    names = exported(classifier(fusion), inputs, tmp_path / 'model', kind)
    assert names == ['joint_scores', 'audio_scores', 'visual_scores']


def ave_config(name: str) -> dict:
    return load_config(REPO / 'projects' / name).model


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['torch', 'onnx'])
@pytest.mark.parametrize('config', [
    'cmran/configs/cmran_supv_1xb32-200e_ave.py', 'cmran/configs/cmran_weak_1xb32-200e_ave.py',
    'dmin/configs/dimn_supv_1xb32-200e_ave.py', 'dmin/configs/dimn_weak_1xb32-200e_ave.py',
])
def test_localisers(tmp_path, kind, config):
    names = exported(build(ave_config(config)), inputs_of(AVE), tmp_path / 'model', kind)
    assert names == ['segment_labels', 'segment_scores', 'video_scores']


def test_localiser(tmp_path):
    names = exported(build(ave_config('cmran/configs/cmran_supv_1xb32-200e_ave.py')), inputs_of(AVE),
                     tmp_path / 'model', 'torch')
    assert names == ['segment_labels', 'segment_scores', 'video_scores']


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['torch', 'onnx'])
def test_localisation_across_modalities(tmp_path, kind):
    inputs = inputs_of(dict(audio=(10, 128), visual=(10, 512), mask=(10, )), mask=torch.bool)
    names = exported(build(ave_config('dmin/configs/dcmr_a2v_1xb32-200e_ave.py')), inputs, tmp_path / 'model', kind)
    assert names == ['event_logits']


@pytest.mark.parametrize('kind', KINDS)
def test_matching(tmp_path, kind):
    inputs = inputs_of(dict(audio=(10, 128), visual=(10, 512)))
    model = build(ave_config('cmran/configs/avel_cmm_match_1xb8-20e_ave.py'))
    assert exported(model, inputs, tmp_path / 'model', kind) == ['distances']


class Branching(AVModel):
    """A model whose way depends on the numbers it sees."""

    def __init__(self):
        super().__init__(data_preprocessor=dict(type='AVDataPreprocessor'))

    def answers(self, inputs):
        audio = inputs['audio']
        return dict(joint=audio * 2 if audio.sum() > 3 else audio)

    branch = extract_feat = fuse = unimodal_logits = forward = None


def test_what_cannot_be_exported_is_one_line(tmp_path):
    with DefaultScope.overwrite_default_scope('avmm'):
        model = Branching()
    with pytest.raises(ExportError, match='Branching cannot be exported as torch: ') as caught:
        export_model(model, dict(audio=torch.rand(2, 3)), tmp_path / 'model.pt2')
    assert '\n' not in str(caught.value)


def test_models_without_answers_say_so(tmp_path):
    class Silent(Branching):
        answers = AVModel.answers

    with pytest.raises(ConfigError, match='Silent has no answers of tensors alone'):
        export_model(Silent(), dict(audio=torch.rand(2, 3)), tmp_path / 'model.pt2')


def test_a_file_that_answers_otherwise_is_refused(tmp_path):
    inputs = inputs_of(dict(audio=(1, 32, 24), visual=(3, 1, 16, 16)))
    path, example = tmp_path / 'model.pt2', dict(zip(inputs, batch_of(inputs, 2), strict=True))
    model = classifier('ConcatFusion')
    program = export_model(model, example, path)
    with torch.no_grad():
        next(model.fusion.parameters()).add_(torch.rand(5, 1))
    with pytest.raises(ExportError, match='joint_scores of a batch of 2 differs from the model by'):
        check_export(program, path, 'torch', [batch_of(inputs, 2, seed=1)])


def test_unknown_types_of_inputs_are_refused():
    with pytest.raises(ConfigError, match=r'the input words is of type torch\.int64'):
        batch_of(dict(words=torch.zeros(1, 4, dtype=torch.int64)), 2)
