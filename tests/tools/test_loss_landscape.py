from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image

TOOL = 'analysis_tools/loss_landscape.py'


def colours(path) -> int:
    with Image.open(path) as picture:
        return len(set(picture.convert('L').tobytes()))


def test_a_line_has_the_loss_of_the_checkpoint_in_its_middle(run_tool, toy, tmp_path):
    import torch

    from avmm.testing import ToyAVDataset, ToyAVModel
    out = tmp_path / 'line.h5'
    result = run_tool(TOOL, *toy, '--x', -1, 1, 3, '--samples', 99, '--out', out, '--device', 'cpu')
    assert result.status == 0, result.err
    with h5py.File(out) as file:
        assert (file['x'][:].tolist(), file['done'][:].all(), 'y' in file) == ([-1, 0, 1], True, False)
        loss, settings = file['loss'][:], dict(file.attrs)
    assert (settings['norm'], settings['split'], settings['samples']) == ('filter', 'train', 99)
    model, data = ToyAVModel(width=8).eval(), ToyAVDataset(32)
    model.load_state_dict(torch.load(toy[1])['state_dict'])
    with torch.no_grad():
        inputs = {m: torch.stack([data[i]['inputs'][m] for i in range(32)]) for m in ('audio', 'visual')}
        expected = torch.nn.functional.cross_entropy(model(inputs, mode='tensor'), torch.arange(32) % 4)
    assert loss[1] == pytest.approx(float(expected), rel=1e-5)
    assert loss[0] != loss[1] != loss[2]
    assert colours(tmp_path / 'line_line.png') > 20


def test_a_grid_resumes_where_it_was_left(run_tool, toy, tmp_path):
    out = tmp_path / 'grid.h5'
    args = (*toy, '--x', -1, 1, 3, '--y', -1, 1, 2, '--samples', 8, '--out', out)
    assert run_tool(TOOL, *args).status == 0
    with h5py.File(out, 'r+') as file:
        whole = file['loss'][:]
        file['loss'][...] = np.array([[7, 7, 7], [7, 7, np.nan]])
        file['done'][1, 2] = False
    result = run_tool(TOOL, *args)
    assert result.status == 0 and 'cosine' in result.out
    with h5py.File(out) as file:
        assert file['loss'][:].tolist() == [[7, 7, 7], [7, 7, whole[1, 2]]]
    # A complete file is only drawn; the cosine is printed where something is measured.
    assert 'cosine' not in run_tool(TOOL, *args).out
    assert colours(tmp_path / 'grid_contour.png') > 20 and colours(tmp_path / 'grid_surface.png') > 20


def test_errors_are_one_line(run_tool, toy, tmp_path):
    out = tmp_path / 'line.h5'
    assert run_tool(TOOL, *toy, '--x', -1, 1, 2, '--samples', 4, '--out', out).status == 0
    for args, words in [
        (('--x', -1, 1, 2, '--samples', 4, '--seed', 1), 'line.h5: holds another surface (seed was 0, is 1)'),
        (('--x', 1, -1, 5), '--x 1 -1 5: give FROM below TO'),
        (('--samples', 0), '--samples 0: must be 1 or more'),
        (('--x', -1, 1, 2, '--y', -1, 1, 2, '--samples', 4, '--overwrite', '--vmax', 0), '--vmax 0: no loss is below'),
        (('--split', 'test2', '--overwrite'), '--split test2: the config has no test2_dataloader'),
    ]:
        result = run_tool(TOOL, *toy, '--out', out, *args)
        assert result.status == 2 and words in result.err and result.err.count('\n') == 1, result.err
    result = run_tool(TOOL, toy[0], tmp_path / 'none.pth', '--out', out)
    assert (result.status, result.err.strip()) == (2, f'error: {tmp_path / "none.pth"}: no such checkpoint')
