from __future__ import annotations

import csv

import pytest

from avmm.utils.checking import check_clip

TOOL = 'analysis_tools/verify_dataset.py'


def test_a_sound_data_set_is_reported_and_passes(run_tool, clips):
    result = run_tool(TOOL, clips, '--workers', 2, '--classes')
    assert result.status == 0, result.err + result.out
    assert 'train: 6 clips, fingerprint ' in result.out and 'test: 2 clips, fingerprint ' in result.out
    assert '2 classes of 3 to 3 clips, median 3' in result.out
    assert '0 clips are wrong' in result.out
    assert '3  cat' in result.out


def test_every_damage_is_found_and_the_status_is_1(run_tool, clips, tmp_path):
    root = tmp_path / 'clips'
    (root / 'audio' / 'clip_0.wav').unlink()
    wav = root / 'audio' / 'clip_1.wav'
    wav.write_bytes(wav.read_bytes()[:2000])
    jpg = root / 'frames' / 'clip_2' / 'frame_1.jpg'
    jpg.write_bytes(jpg.read_bytes()[:200])
    for frame in (root / 'frames' / 'clip_3').iterdir():
        frame.unlink()
    (root / 'frames' / 'clip_4' / 'frame_2.jpg').unlink()
    out = tmp_path / 'report.csv'
    result = run_tool(TOOL, clips, '--workers', 0, '--min-frames', 3, '--out', out, '--show', 2)
    assert result.status == 1, result.err
    rows = {row['sample_id']: row for row in csv.DictReader(out.open())}
    assert {name: row['kind'] for name, row in rows.items()} == {
        'clip_0': 'missing', 'clip_1': 'unreadable', 'clip_2': 'unreadable', 'clip_3': 'unreadable',
        'clip_4': 'too short'}
    assert rows['clip_2']['file'].endswith('frame_1.jpg') and rows['clip_1']['class'] == 'dog'
    assert rows['clip_4']['message'].endswith('clip_4: 2 frames, 3 are needed')
    assert '5 clips are wrong; 1 missing; 1 too short; 3 unreadable' in result.out
    assert 'and 3 more' in result.out


def test_sound_that_is_too_short(run_tool, clips):
    result = run_tool(TOOL, clips, '--workers', 0, '--split', 'test', '--min-seconds', 1, '--quick')
    assert result.status == 1
    assert 'clip_6.wav: 0.40 s of sound, 1 are needed' in result.out
    assert 'train' not in result.out


def test_shared_clips_and_empty_classes_are_told(run_tool, clips, tmp_path):
    (tmp_path / 'clips' / 'test.csv').write_text('clip_0,cat\nclip_2,cat\n')
    result = run_tool(TOOL, clips, '--workers', 0)
    assert result.status == 0
    assert 'train and test share 2 of their clips, such as clip_0' in result.out
    assert '0 to 2 clips, median 1; no clip of dog' in result.out


def test_a_video_without_sound_is_a_finding_but_not_wrong(monkeypatch):
    import avmm.media
    from avmm.media import NoSoundError

    class Video:
        def __init__(self, path):
            pass

        def __len__(self):
            return 5

        def get(self, indices):
            return indices

    def no_sound(path):
        raise NoSoundError(f'{path}: the video has no sound track')

    monkeypatch.setattr(avmm.media, 'VideoFrames', Video)
    monkeypatch.setattr(avmm.media, 'read_video_audio', no_sound)
    assert [f.kind for f in check_clip(dict(video_path='a.mp4'))] == ['no sound']
    assert [f.kind for f in check_clip(dict(video_path='a.mp4'), min_frames=6)] == ['too short', 'no sound']


@pytest.mark.parametrize(('change', 'message'), [
    ('test_dataloader.dataset.ann_file=gone.csv', 'gone.csv: the list file is missing'),
    ('test_dataloader.dataset.type=AVClipData', 'registry; did you mean AVClipDataset'),
    ('test_dataloader.dataset.anfile=x', "unknown argument 'anfile' of AVClipDataset; did you mean 'ann_file'?"),
])
def test_errors_are_one_line(run_tool, clips, change, message):
    result = run_tool(TOOL, clips, '--workers', 0, '--cfg-options', change)
    assert result.status == 2
    assert message in result.err and result.err.count('\n') == 1
