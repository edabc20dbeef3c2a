"""tools/feature_extraction/extract.py: from the command line to a store, through kills and on several ranks."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avmm.datasets.feature_store import FeatureStore
from avmm.testing import WarmProcess, launch_ranks, start_warm

REPO = Path(__file__).resolve().parents[2]
TOOL = REPO / 'tools' / 'feature_extraction' / 'extract.py'
CONFIG = """'''Toys.'''
custom_imports = dict(imports=['avmm.testing.toy_extractor'])
extractors = dict(pooled=dict(type='ToyExtractor'), rows=dict(type='ToyExtractor', pool=False))
"""


@pytest.fixture
def made(tmp_path) -> Path:
    """A folder with a config, and forty clips in ``media``; byte i is the content of clip i."""
    (tmp_path / 'toys.py').write_text(CONFIG)
    (tmp_path / 'media').mkdir()
    for i in range(40):
        (tmp_path / 'media' / f'c{i:02d}.mp4').write_bytes(bytes([i]) * (1 + i % 3))
    return tmp_path


def start(made: Path) -> WarmProcess:
    """A run that comes to half of the clips, since a decoder hangs at one."""
    (made / 'media' / 'c20.mp4').write_bytes(b'sleep')
    return start_warm([TOOL, made / 'toys.py', made / 'media', made / 'x.h5', '--workers', 1, '--device', 'cpu'])


def wait_for_items(made: Path, process: WarmProcess, count: int) -> None:
    """Wait until so many items are in the journal of the unfinished store."""
    journal, end = made / 'x.h5.part' / 'journal', time.monotonic() + 300
    while not journal.exists() or journal.read_bytes().count(b'"crc"') < count:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.01)


def wait_for_the_end_of_all(group: int) -> None:
    end = time.monotonic() + 30
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(group, 0)
            time.sleep(0.01)
        pytest.fail('a process has outlived the run')


def check(made: Path, name: str = 'x.h5') -> None:
    store = FeatureStore(made / name)
    store.verify()
    assert store.keys == [f'c{i:02d}' for i in range(40)]
    assert store['pooled'].gather(range(40))[:, 0].tolist() == list(range(40))
    assert store['rows'].lengths.tolist() == [1 + i % 3 for i in range(40)]
    assert all((store['rows'][i][:, 0] == i).all() for i in range(40))


@pytest.mark.integration
def test_a_killed_run_goes_on_where_it_was(made, run_tool):
    process = start(made)
    wait_for_items(made, process, 5)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for_the_end_of_all(process.pid)
    assert process.returncode == -signal.SIGKILL and not (made / 'x.h5').exists()
    (made / 'media' / 'c20.mp4').write_bytes(bytes([20]) * 3)
    lines = (made / 'x.h5.part' / 'journal').read_text().splitlines()
    complete = {json.loads(line)['key'] for line in lines if '"crc"' in line}
    args = [made / 'toys.py', made / 'media', made / 'x.h5', '--workers', 0, '--device', 'cpu']
    refused = run_tool('feature_extraction/extract.py', *args)
    assert refused.status == 2 and 'x.h5.part holds an unfinished run; --resume goes on with it' in refused.err
    # What is complete is not read again, so it may be broken by now.
    for key in complete:
        (made / 'media' / f'{key}.mp4').write_bytes(b'bad')
    result = run_tool('feature_extraction/extract.py', *args, '--resume')
    assert result.status == 0 and f'{40 - len(complete)} done, {len(complete)} there before, 0 failed' in result.out
    check(made)
    assert sorted(path.name for path in made.iterdir()) == ['media', 'toys.py', 'x.h5', 'x.report.json']
    assert json.loads((made / 'x.report.json').read_text())['skipped'] == len(complete) >= 5


@pytest.mark.integration
def test_ctrl_c_leaves_no_process_and_no_torn_file(made, run_tool):
    process = start(made)
    wait_for_items(made, process, 3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and '--resume goes on from there' in err and 'interrupted' in err
    assert 'Traceback' not in err
    wait_for_the_end_of_all(process.pid)
    assert not json.loads((made / 'x.report.json').read_text())['complete'] and not (made / 'x.h5').exists()
    (made / 'media' / 'c20.mp4').write_bytes(bytes([20]) * 3)
    assert run_tool('feature_extraction/extract.py', made / 'toys.py', made / 'media', made / 'x.h5', '--resume',
                    '--device', 'cpu').status == 0
    check(made)


@pytest.mark.slow
@pytest.mark.integration
def test_two_ranks_make_the_store_of_one(made, run_tool):
    (made / 'media' / 'broken.mp4').write_bytes(b'bad')
    command = [sys.executable, str(TOOL), str(made / 'toys.py'), str(made / 'media'), str(made / 'x.h5'), '--workers',
               '1', '--device', 'cpu']
    ranks = launch_ranks(command, 2, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    outputs = [rank.communicate(timeout=120) for rank in ranks]
    # Both wait for the end of the other, since torchrun ends all when one leaves with a status.
    assert [rank.returncode for rank in ranks] == [1, 1], outputs
    assert '41 items: 40 done, 0 there before, 1 failed' in outputs[0][0] and outputs[1][0] == ''
    check(made)
    assert run_tool('feature_extraction/extract.py', *command[2:-4], '--overwrite', '--device', 'cpu').status == 1
    check(made)


def test_slurm_tasks_and_ranks_without_a_group(made, run_tool, monkeypatch):
    monkeypatch.setenv('SLURM_ARRAY_TASK_COUNT', '2')
    monkeypatch.setenv('SLURM_ARRAY_TASK_MIN', '1')
    monkeypatch.setenv('WORLD_SIZE', '2')
    args = [made / 'toys.py', made / 'media', made / 'x.h5', '--workers', 0, '--device', 'cpu']
    for task, rank in [(2, 1), (1, 0), (2, 0)]:
        monkeypatch.setenv('SLURM_ARRAY_TASK_ID', str(task))
        monkeypatch.setenv('RANK', str(rank))
        result = run_tool('feature_extraction/extract.py', *args)
        assert result.status == 0 and 'shards that are not through' in result.out
    assert 'shards that are not through: 1 of 4' in result.out and not (made / 'x.h5').exists()
    result = run_tool('feature_extraction/extract.py', *args[:3], '--workers', 0, '--device', 'cpu', '--shard', '0/2',
                      '--resume')
    assert result.status == 0 and 'shards that are not through: 1 of 4' in result.out
    monkeypatch.setenv('RANK', '1')
    result = run_tool('feature_extraction/extract.py', *args, '--shard', '0/2')
    assert result.status == 0 and '40 items: 30 done, 10 there before, 0 failed' in result.out
    check(made)


def test_ave_with_its_official_files(made, run_tool):
    (made / 'list.txt').write_text('Church bell&c03&good&0&10\nBark&c01&good&2&4\nChurch bell&c03&good&4&9\n')
    args = [made / 'toys.py', '--ave', made / 'list.txt', '--videos', made / 'media', made / 'x.h5', '--device', 'cpu']
    refused = run_tool('feature_extraction/extract.py', *args, '--on-error', 'skip')
    assert refused.status == 2 and '--on-error skip would shift the rows of AVE' in refused.err
    result = run_tool('feature_extraction/extract.py', *args, '--official', made / 'official')
    assert result.status == 2 and 'has none of audio, visual, visual_vec' in result.err
    assert FeatureStore(made / 'x.h5')['pooled'].gather(range(3))[:, 0].tolist() == [3, 1, 3]
    (made / 'ave.py').write_text(CONFIG.replace('pooled', 'visual_vec').replace('rows=', 'audio=')
                                 .replace(', pool=False', ''))
    args[0], args[5] = made / 'ave.py', made / 'y.h5'
    result = run_tool('feature_extraction/extract.py', *args, '--official', made / 'official')
    assert result.status == 0
    assert sorted(path.name for path in (made / 'official').iterdir()) == ['audio_feature.h5', 'visual_feature_vec.h5']


@pytest.mark.parametrize(('args', 'message'), [
    (['toys.py', 'x.h5'], 'what is extracted? give a SOURCE before OUT.h5, or --ave with --videos'),
    (['toys.py', 'media', 'x.h5', '--ave', 'list.txt'], 'what is extracted?'),
    (['toys.py', 'media', 'x.npz'], 'x.npz: must end in .h5 or .hdf5'),
    (['toys.py', 'nowhere', 'x.h5'], 'nowhere: no such folder or list'),
    (['empty.py', 'media', 'x.h5'], 'empty.py: names no extractors; it needs extractors=dict('),
    (['wrong.py', 'media', 'x.h5'], "extractors.a: unknown argument 'dims' of ToyExtractor; did you mean 'dim'?"),
    (['unknown.py', 'media', 'x.h5'], "'ToyExtracter' is not in the avmm::extractor registry; did you mean ToyExtra"),
    (['toys.py', 'media', 'x.h5', '--shard', '2/2'], 'shard 2/2: shards are counted from 0/2 to 1/2'),
    (['toys.py', 'media', 'x.h5', '--timeout', '3', '--workers', '0'], 'a time-out needs worker processes'),
])
def test_wrong_command_lines(made, run_tool, monkeypatch, args, message):
    text = CONFIG
    (made / 'empty.py').write_text(text.partition('extractors')[0])
    (made / 'wrong.py').write_text(text.partition('extractors')[0] + "extractors = dict(a=dict(type='ToyExtractor', "
                                   'dims=3))')
    (made / 'unknown.py').write_text(text.replace("type='ToyExtractor', pool", "type='ToyExtracter', pool"))
    monkeypatch.chdir(made)
    result = run_tool('feature_extraction/extract.py', *args)
    assert result.status == 2 and message in result.err and result.err.count('\n') == 1


@pytest.mark.integration
def test_real_extractors_on_a_video(made, run_tool):
    """From a written video through decoding and networks with random weights, by a config of the repository."""
    import numpy as np

    from avmm.media import write_video
    frames = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), np.uint8)
    sound = np.sin(np.arange(32000) / 10).astype(np.float32) / 2
    (made / 'videos').mkdir()
    write_video(made / 'videos' / 'a.mp4', frames, 10, sound, 16000)
    write_video(made / 'videos' / 'silent.mp4', frames, 10)
    result = run_tool('feature_extraction/extract.py', REPO / 'configs/feature_extraction/ave_vgg19_vggish.py',
                      made / 'videos', made / 'x.h5', '--device', 'cpu', '--amp', 'bf16', '--workers', 1,
                      '--cfg-options', 'extractors.audio.weights=None', 'extractors.visual.weights=None',
                      'extractors.visual.frames_per_segment=1', 'extractors.visual.size=32')
    assert result.status == 1, result.err
    assert 'warning: extractors.visual: VGG19Maps has random weights' in result.err
    assert '2 items: 1 done, 0 there before, 1 failed' in result.out and 'silent.mp4' in result.out
    store = FeatureStore(made / 'x.h5')
    assert store.keys == ['a'] and store['audio'].shape == (10, 128) and store['visual'].shape == (10, 1, 1, 512)
    assert store['visual'][0].any() and store.meta['amp'] == 'bf16'
