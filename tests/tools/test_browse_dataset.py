from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

TOOL = 'analysis_tools/browse_dataset.py'


def test_original_and_transformed_in_one_picture(run_tool, clips, tmp_path):
    out = tmp_path / 'pictures'
    result = run_tool(TOOL, clips, '--number', 2, '--mode', 'both', '--out', out)
    assert result.status == 0, result.err
    names = sorted(path.name for path in out.iterdir())
    assert names == ['0000_clip_0.png', '0001_clip_1.png']
    single = tmp_path / 'single'
    assert run_tool(TOOL, clips, '--number', 1, '--out', single).status == 0
    height = {folder: Image.open(next(folder.iterdir())).height for folder in (out, single)}
    assert height[out] == 2 * height[single]
    assert '2 pictures' in result.out


def test_the_seed_repeats_a_random_choice_and_its_augmentations(run_tool, clips, tmp_path):
    found = []
    for name, seed in (('a', 1), ('b', 1), ('c', 2)):
        out = tmp_path / name
        assert run_tool(TOOL, clips, '--number', 3, '--random', '--seed', seed, '--out', out).status == 0
        found.append({p.name: np.asarray(Image.open(p)) for p in out.iterdir()})
    assert found[0].keys() == found[1].keys() != found[2].keys()
    assert all((found[0][name] == found[1][name]).all() for name in found[0])


def test_a_data_set_without_files(run_tool, toy, tmp_path):
    out = tmp_path / 'toy'
    assert run_tool(TOOL, toy[0], '--split', 'val', '--number', 1, '--out', out).status == 0
    assert len(list(out.iterdir())) == 1
    result = run_tool(TOOL, toy[0], '--mode', 'both', '--out', out)
    assert (result.status, result.err.strip()) == (
        2, 'error: --mode both: ToyAVDataset reads no files; use --mode transformed')


@pytest.mark.parametrize(('extra', 'message'), [
    (['--number', '0'], '--number 0: must be at least 1'),
    (['--split', 'val'], '--split val: the config has no val_dataloader; it has train, test'),
])
def test_errors_are_one_line(run_tool, clips, extra, message):
    result = run_tool(TOOL, clips, *extra)
    assert (result.status, result.err.strip()) == (2, f'error: {message}')
