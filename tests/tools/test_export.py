from __future__ import annotations

import numpy as np
import pytest
import torch

TOOL = 'deployment/export.py'


@pytest.mark.parametrize('suffix', ['pt2', pytest.param('onnx', marks=pytest.mark.slow)])
def test_a_config_becomes_a_program(run_tool, tmp_path, suffix):
    out = tmp_path / f'model.{suffix}'
    shapes = ['--shape', 'audio=1,64,64', 'visual=3,1,32,32:uint8']
    result = run_tool(TOOL, 'configs/quickstart/av_digits.py', *shapes, '--out', out)
    assert result.status == 0, result.err
    assert 'outputs: joint_scores, audio_scores, visual_scores' in result.out
    assert 'visual (batch, 3, 1, 32, 32) uint8' in result.out
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    audio, visual = torch.rand(3, 1, 64, 64), torch.zeros(3, 3, 1, 32, 32, dtype=torch.uint8)
    if suffix == 'pt2':
        joint = torch.export.load(out).module()(audio, visual)[0].detach().numpy()
    else:
        import onnxruntime
        session = onnxruntime.InferenceSession(str(out))
        joint = session.run(['joint_scores'], dict(audio=audio.numpy(), visual=visual.numpy()))[0]
    assert joint.shape == (3, 10)
    np.testing.assert_allclose(joint.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(('extra', 'message'), [
    (['--out', 'model.h5'], 'model.h5: must end in .pt2 or .onnx'),
    (['--out', 'model.onnx', '--fixed-batch', '0'], '--fixed-batch 0: must be 1 or more'),
    (['--out', 'model.onnx', '--shape', 'audio=1,x'], '--shape audio=1,x: write it as audio=1,257,188'),
    (['--out', 'model.onnx', '--shape', 'audio=1,8:int8'],
     "--shape audio=1,8:int8: 'int8' is no type of an input; try float32, uint8 or bool"),
])
def test_errors_are_one_line(run_tool, extra, message, tmp_path, toy, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run_tool(TOOL, toy[0], *extra)
    assert (result.status, result.err.strip()) == (2, f'error: {message}')


def test_an_existing_file_stays(run_tool, tmp_path, toy):
    out = tmp_path / 'model.onnx'
    out.write_text('mine')
    result = run_tool(TOOL, toy[0], '--out', out)
    assert result.status == 2 and f'{out} exists; choose another --out, or --overwrite' in result.err
    assert out.read_text() == 'mine'
