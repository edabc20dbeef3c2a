from __future__ import annotations

import numpy as np
import pytest

TOOL = 'analysis_tools/embeddings.py'


def test_map_and_features_of_every_modality(run_tool, toy, tmp_path):
    out = tmp_path / 'maps' / 'map.png'
    result = run_tool(TOOL, *toy, '--out', out, '--perplexity', 4)
    assert result.status == 0, result.err
    assert out.read_bytes()[:4] == b'\x89PNG'
    found = np.load(out.with_suffix('.npz'))
    assert found['map_joint'].shape == (16, 2)
    assert found['features_joint'].shape == (16, 64) and found['features_audio'].shape == (16, 32)
    assert found['label'].tolist() == [i % 4 for i in range(16)]
    assert found['sample_id'][3] == 'toy_3'
    assert abs(found['features_joint'].mean(0)).max() < 1e-5


def test_the_seed_repeats_the_map(run_tool, toy, tmp_path):
    maps = []
    for name in 'ab':
        out = tmp_path / f'{name}.png'
        result = run_tool(TOOL, *toy, '--out', out, '--method', 'pca', '--features', 'visual', '--number', 10)
        assert result.status == 0, result.err
        maps.append(np.load(out.with_suffix('.npz')))
    assert maps[0]['map_visual'].shape == (10, 2)
    assert np.array_equal(maps[0]['map_visual'], maps[1]['map_visual'])
    assert 'map_joint' not in maps[0]


@pytest.mark.parametrize(('extra', 'message'), [
    (['--features', 'depth'], '--features depth: must be joint or one of audio, visual'),
    (['--number', '2'], '--number 2: a map needs at least 3 samples'),
    (['--device', 'tpu:x'], '--device tpu:x: not a device; try cpu or cuda:0'),
])
def test_errors_are_one_line(run_tool, toy, extra, message):
    result = run_tool(TOOL, *toy, *extra)
    assert (result.status, result.err.strip()) == (2, f'error: {message}')


def test_umap_without_the_package_names_the_extra(run_tool, toy, monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, 'umap', None)
    result = run_tool(TOOL, *toy, '--method', 'umap')
    assert result.status == 2
    assert 'pip install "avmm[umap]"' in result.err and result.err.count('\n') == 1
