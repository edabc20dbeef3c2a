"""Conversion of official checkpoints at the command line."""
from __future__ import annotations

import pytest
import torch

from projects.cmran.cmran import converter

TOOL = 'model_converters/convert.py'


@pytest.fixture
def official(tmp_path):
    """An official checkpoint of the shape of CMRAN's, with tensors of a few numbers."""
    layer = [f'{part}.{leaf}' for part in ('linear1', 'linear2', 'norm1', 'norm2') for leaf in ('weight', 'bias')]
    attention = ['in_proj_weight', 'in_proj_bias', 'out_proj.weight', 'out_proj.bias']
    names = ['spatial_channel_att.affine_video_1.weight', 'spatial_channel_att.affine_video_guided_1.weight']
    names += [f'video_encoder.encoder_layer.{name}' for name in layer]
    names += [f'video_encoder.encoder.layers.{i}.{name}' for i in range(2) for name in layer]
    names += [f'audio_decoder.decoder.layers.0.{kind}.{name}' for kind in ('self_attn', 'multihead_attn')
              for name in attention]
    names += ['v_fc.weight', 'AVInter.norm1.bias', 'localize_module.event_classifier.bias']
    state = {f'module.{name}': torch.full((2, 2), i / 3, dtype=torch.float64) for i, name in enumerate(names)}
    torch.save(state, tmp_path / 'official.pth.tar')
    return tmp_path / 'official.pth.tar'


def test_there_and_back_without_a_difference(run_tool, official, tmp_path):
    ours, back = tmp_path / 'out/ours.pth', tmp_path / 'back.pth'
    result = run_tool(TOOL, '--project', 'cmran', official, ours, '--keep-unused')
    assert result.status == 0, result.err
    assert result.out == f'24 tensors\nwrote {ours}\n'
    content = torch.load(ours, weights_only=True)
    assert content['meta'] == dict(converted_from='official.pth.tar')
    assert 'branches.visual.encoder.layers.1.feed_forward.norm.bias' in content['state_dict']
    result = run_tool(TOOL, '--project', 'cmran', ours, back, '--to-official')
    assert result.status == 0, result.err
    before, after = (torch.load(path, weights_only=True) for path in (official, back))
    assert list(before) == list(after)
    assert all(torch.equal(value, after[name]) and value.dtype == after[name].dtype for name, value in before.items())


def test_unused_tensors_are_left_out_and_filled(run_tool, official, tmp_path):
    ours, back = tmp_path / 'ours.pth', tmp_path / 'back.pth'
    assert run_tool(TOOL, '--project', 'cmran', official, ours).status == 0
    assert set(torch.load(ours, weights_only=True)) == {'state_dict', 'meta'}
    assert run_tool(TOOL, '--project', 'cmran', ours, back, '--to-official').status == 0
    before, after = (torch.load(path, weights_only=True) for path in (official, back))
    assert set(before) <= set(after)
    used = [name for name in before if not converter.unused_tensors({name: before[name]})]
    assert len(used) == 24 and all(torch.equal(before[name], after[name]) for name in used)


@pytest.mark.parametrize(('args', 'message'), [
    (['--project', 'nope'], 'error: --project nope: projects/nope/nope/converter.py does not exist; projects with a'),
    (['--project', 'cmran', '--kind', 'x'], 'error: --kind x: project cmran knows cmran, avel, matching'),
    (['--project', 'cmran', '--to-official'], 'official.pth.tar has no state_dict; give a checkpoint of AVMM'),
])
def test_errors_are_one_line(run_tool, official, tmp_path, args, message):
    result = run_tool(TOOL, *args, official, tmp_path / 'ours.pth')
    assert result.status == 2 and message in result.err and result.err.count('\n') == 1


def test_never_over_a_file_that_exists(run_tool, official, tmp_path):
    (tmp_path / 'ours.pth').write_text('dear')
    result = run_tool(TOOL, '--project', 'cmran', official, tmp_path / 'ours.pth')
    assert result.status == 2 and 'ours.pth exists; choose another target or pass --overwrite' in result.err
    assert (tmp_path / 'ours.pth').read_text() == 'dear'
    assert run_tool(TOOL, '--project', 'cmran', official, tmp_path / 'ours.pth', '--overwrite').status == 0


class _Evil:

    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return open, (self.flag, 'w')


def test_a_hostile_checkpoint_runs_nothing(run_tool, tmp_path):
    flag = tmp_path / 'flag'
    torch.save({'module.v_fc.weight': _Evil(str(flag))}, tmp_path / 'evil.pth')
    result = run_tool(TOOL, '--project', 'cmran', tmp_path / 'evil.pth', tmp_path / 'ours.pth')
    assert result.status == 2 and 'pass --trust-checkpoint' in result.err and not flag.exists()
    result = run_tool(TOOL, '--project', 'cmran', tmp_path / 'evil.pth', tmp_path / 'ours.pth', '--trust-checkpoint')
    assert result.status == 2 and 'holds no state dict' in result.err and flag.exists()


def test_list_of_kinds(run_tool):
    result = run_tool(TOOL, '--list')
    assert result.status == 0 and 'cmran --kind cmran: state dict of CMRAN, either setting' in result.out
    assert 'cmran --kind matching: cmm_model_weights.h5' in result.out
