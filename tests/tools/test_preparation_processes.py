"""Preparations in several processes, and killed ones."""
from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import time
from pathlib import Path

import pytest
import soundfile

from avmm.datasets import CREMAD
from tests.tools.downloads_for_tests import encode, snapshot, tone

SCRIPT = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'cremad.py'
CLIPS = [f'{1001 + i}_IEO_ANG_HI' for i in range(12)]


@pytest.fixture
def download(tmp_path) -> Path:
    """Twelve clips."""
    root = tmp_path / 'CREMA-D'
    (root / 'AudioWAV').mkdir(parents=True)
    video = encode(root / 'video.flv', 'flv', frames=5).read_bytes()
    (root / 'VideoFlash').mkdir()
    for clip in CLIPS:
        (root / 'VideoFlash' / f'{clip}.flv').write_bytes(video)
        soundfile.write(root / 'AudioWAV' / f'{clip}.wav', tone(1.5, 16000)[0], 16000)
    (root / 'train.csv').write_text(''.join(f'{clip},ANG\n' for clip in CLIPS[:-1]))
    (root / 'test.csv').write_text(f'{CLIPS[-1]},ANG\n')
    return root


def prepare_slowly(args: list[str], errors: Path) -> None:
    """What is stopped: the converter, with a tenth of a second more for a picture."""
    import avmm.datasets.preparation.clip_job as clip_job
    # A job in the background of a shell ignores SIGINT, and so would what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    write_jpg = clip_job.write_jpg

    def slow(*picture) -> None:
        write_jpg(*picture)
        time.sleep(0.1)

    clip_job.write_jpg = slow
    sys.argv = [str(SCRIPT), *args]
    with open(errors, 'w', buffering=1) as sys.stderr, open(os.devnull, 'w') as sys.stdout:
        runpy.run_path(str(SCRIPT), run_name='__main__')


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.mark.integration
@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_command_goes_on(run_tool, download, tmp_path, how):
    out = tmp_path / 'out'
    args = [str(download), '--out', str(out), '--workers', '2']
    process = multiprocessing.get_context('fork').Process(target=prepare_slowly, args=(args, tmp_path / 'errors'))
    process.start()
    while process.is_alive() and len(list(out.rglob('*.jpg'))) < 3:
        time.sleep(0.02)
    workers = children_of(process.pid)
    os.kill(process.pid, how)
    process.join(60)
    assert process.exitcode == (-9 if how == signal.SIGKILL else 130)
    assert (tmp_path / 'errors').read_text() == ('' if how == signal.SIGKILL else 'interrupted\n')
    end = time.monotonic() + 20
    while any(map(is_running, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(workers) == 2 and not any(map(is_running, workers))
    assert not (out / 'train.csv').exists()
    before = {name: when for name, when in snapshot(out / 'processed_dataset').items() if name.endswith('.wav')}
    assert 1 <= len(before) < 12
    again = run_tool('dataset_converters/cremad.py', download, '--out', out, '--workers', 0)
    assert (again.status, again.err) == (0, '')
    after = snapshot(out / 'processed_dataset')
    assert len(after) == 24 and all(after[name] == when for name, when in before.items())
    assert not (out / '.unfinished').exists()
    data = CREMAD(data_root=str(out), pipeline=[dict(type='LoadAudio'), dict(type='LoadFrames')])
    assert [data.get_data_info(i)['sample_id'] for i in range(len(data))] == CLIPS[:-1]
    assert all(len(data[i]['frames']) == 1 for i in range(11))


@pytest.mark.integration
def test_processes_make_the_same_files(run_tool, download, tmp_path):
    for workers in (0, 2):
        run_tool('dataset_converters/cremad.py', download, '--out', tmp_path / str(workers), '--workers', workers)
    files = [{str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}
             for root in (tmp_path / '0', tmp_path / '2')]
    assert files[0] == files[1] and len(files[0]) == 24 + 3
