"""benchmark.py --what decode and extract: the extraction engine beside OpenCV and beside its model alone."""
from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from avmm.testing import write_avi

REPO = Path(__file__).resolve().parents[2]
TOOL = 'analysis_tools/benchmark.py'
QUICK = ('--iters', 2, '--repeats', 2, '--warm-up', 0, '--workers', 1, '--device', 'cpu')


@pytest.fixture
def small(tmp_path):
    """A config of a small network, and a video of twelve frames."""
    (tmp_path / 'small.py').write_text("""'''Small.'''
media = dict(backend='pyav')
extractors = dict(visual=dict(type='TorchvisionFeatures', name='squeezenet1_1', rate=5.0, resize_to=32, crop=32,
                              batch_size=4))
""")
    return tmp_path / 'small.py', write_avi(tmp_path / 'a.avi', 12)


class FakeCapture:
    """A video of three frames."""

    def __init__(self, path: str):
        self.left = 3 if Path(path).is_file() else 0

    def read(self):
        self.left -= 1
        return self.left >= 0, self.left

    def release(self):
        self.left = 0


def test_decoding_beside_opencv(run_tool, small, tmp_path, monkeypatch):
    config, media = small
    args = (TOOL, config, '--what', 'decode', '--compare', REPO / 'benchmarks' / 'extraction.py', '--media', media,
            *QUICK, '--out', tmp_path / 'b.json')
    monkeypatch.setitem(sys.modules, 'cv2', None)
    missing = run_tool(*args)
    assert missing.status == 2 and 'install it with: pip install "avmm[benchmark]"' in missing.err
    resized = []
    fake = type(sys)('cv2')
    fake.VideoCapture, fake.resize = FakeCapture, lambda frame, size: resized.append(size) or frame
    monkeypatch.setitem(sys.modules, 'cv2', fake)
    result = run_tool(*args)
    assert result.status == 0, result.err
    figures = json.loads((tmp_path / 'b.json').read_text())['figures']['decode']
    assert set(figures) == {'small', 'extraction'} and figures['extraction']['ratio'] > 0
    # Every frame of both copies, in both repeats.
    assert resized == [(224, 224)] * 12


def test_the_engine_beside_its_model(run_tool, small, tmp_path):
    config, media = small
    result = run_tool(TOOL, config, '--what', 'extract', '--media', media, *QUICK, '--out', tmp_path / 'b.json')
    assert result.status == 0, result.err
    assert set(json.loads((tmp_path / 'b.json').read_text())['figures']['extract']) == {'model alone', 'engine'}


@pytest.mark.slow
@pytest.mark.integration
def test_the_engine_on_two_ranks_and_a_made_clip(run_tool, small, tmp_path, monkeypatch):
    monkeypatch.delenv('AVMM_REAL_DATA', raising=False)
    result = run_tool(TOOL, small[0], '--what', 'extract', '--ranks', 2, *QUICK, '--out', tmp_path / 'b.json')
    assert result.status == 0, result.err
    figures = json.loads((tmp_path / 'b.json').read_text())['figures']['extract']
    assert len(figures['engine']['repeats_ms']) == 2 and figures['model alone']['ratio'] == 1


def test_a_config_without_extractors(run_tool, toy):
    result = run_tool(TOOL, toy[0], '--what', 'decode', *QUICK)
    assert result.status == 2 and '--what decode: the config names no extractors' in result.err
