"""What a user sees at the command line when something is wrong, and that nothing already saved is lost."""
from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from avmm.testing import write_avi

# A clip to train on, and one that is held out for validation.
CLIP, HELD_OUT = 'train_02', 'train_03'


@pytest.fixture
def go_on(run_tool, digits):
    """``go_on(options...)`` resumes the run of one epoch and trains a second one."""

    def run(*options, **paths):
        return run_tool('train.py', paths.get('config', digits.config), '--resume', '--work-dir', digits.work_dir,
                        '--cfg-options', 'train_cfg.max_epochs=2', *options)

    return run


@pytest.fixture
def refused(go_on, digits):
    """The same, for a run that ends with one line ``error: ...``, which it returns, and leaves all checkpoints."""

    def run(*options, **paths) -> str:
        before = digits.saved()
        assert 'epoch_1.pth' in before
        line = line_of(go_on(*options, **paths))
        assert digits.saved() == before
        return line.replace(str(digits.root), 'ROOT')

    return run


def line_of(result) -> str:
    """The one line on stderr of a tool that gave up."""
    assert (result.status, result.err.count('\n')) == (2, 1), result.err
    assert result.err.startswith('error: ')
    return result.err.removeprefix('error: ').rstrip('\n')


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


# Lists -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(('text', 'line'), [
    (None, 'ROOT/train.csv: the list file is missing'),
    ('', 'ROOT/train.csv: the list file is empty'),
    ('train_00,0\ntrain_02\n', 'ROOT/train.csv:2: 2 fields are expected (clip, label), got 1'),
    ('train_00,0,x\n', 'ROOT/train.csv:1: 2 fields are expected (clip, label), got 3'),
    ('train_00,0\ntrain_01,one\n', "ROOT/train.csv:2: unknown class 'one'; the data set has 10 classes"),
])
def test_a_wrong_list(refused, digits, text, line):
    if text is None:
        (digits.root / 'train.csv').unlink()
    else:
        (digits.root / 'train.csv').write_text(text)
    assert refused() == line


def test_a_run_goes_on_once_its_list_is_mended(refused, go_on, digits):
    lines = (digits.root / 'train.csv').rename(digits.root / 'elsewhere.csv')
    assert refused() == 'ROOT/train.csv: the list file is missing'
    lines.rename(digits.root / 'train.csv')
    result = go_on()
    assert (result.status, result.err) == (0, '') and 'epoch_1.pth at epoch 1, iteration 2' in result.out
    assert {'epoch_1.pth', 'epoch_2.pth'} <= set(digits.saved())


def test_a_clip_outside_of_the_data(refused, digits):
    (digits.root / 'train.csv').write_text('../../../etc/passwd,0\n')
    assert re.fullmatch(r'ROOT/train.csv:1: .*passwd.* outside.*', refused())


# Files of a clip ---------------------------------------------------------------------------------------------------

DAMAGE = [
    ('wav', Path.unlink, r'the file is missing'),
    ('wav', lambda p: cut(p, 0), r'the file is empty'),
    ('wav', lambda p: cut(p, 500), r'the file is truncated \(500 of 8864 bytes\)'),
    ('wav', lambda p: p.write_text('this is no sound at all'), r'not a readable audio file .*'),
    ('jpg', lambda p: cut(p, 0), r'the file is empty'),
    ('jpg', lambda p: cut(p, 400), r'the image cannot be decoded \(Truncated File Read\)'),
    ('jpg', lambda p: p.write_text('this is no picture at all'), r'not a readable image file'),
]


@pytest.mark.parametrize(('kind', 'damage', 'reason', 'workers'),
                         [(*case, 0) for case in DAMAGE] + [(*DAMAGE[2], 1), (*DAMAGE[4], 1)])
def test_a_file_that_cannot_be_read(refused, digits, kind, damage, reason, workers):
    path = getattr(digits, kind)(CLIP)
    damage(path)
    line = refused(f'train_dataloader.num_workers={workers}')
    name = str(path).replace(str(digits.root), 'ROOT')
    assert re.fullmatch(f'{re.escape(name)}: {reason}', line)


def test_a_clip_without_frames(refused, digits):
    folder = digits.jpg(CLIP).parent
    shutil.rmtree(folder)
    assert re.fullmatch(rf'ROOT/train/video/0/{CLIP}: .*missing.*', refused())
    folder.mkdir()
    assert refused() == f'ROOT/train/video/0/{CLIP}: the folder holds no images'


def test_unreadable_files_are_replaced_and_counted_on_request(go_on, digits):
    digits.wav(CLIP).unlink()
    done = go_on('train_dataloader.dataset.on_error=skip', 'train_dataloader.num_workers=1')
    assert done.status == 0 and 'epoch_2.pth' in digits.saved()
    assert re.search(rf'1 .*{CLIP}.wav: the file is missing', done.out.replace('\n', ' '))


def test_an_unreadable_file_in_validation_keeps_the_epoch(go_on, digits):
    cut(digits.wav(HELD_OUT), 100)
    assert line_of(go_on()).endswith(f'{HELD_OUT}.wav: the file is truncated (100 of 8864 bytes)')
    assert {'epoch_1.pth', 'epoch_2.pth'} <= set(digits.saved())
    assert torch.load(digits.work_dir / 'epoch_2.pth', weights_only=True)['meta']['epoch'] == 2


def test_an_unreadable_file_in_a_test(run_tool, digits):
    cut(digits.jpg('test_03'), 0)
    result = run_tool('test.py', digits.config, digits.work_dir / 'epoch_1.pth', '--work-dir', digits.work_dir,
                      '--out', digits.work_dir / 'p.npz')
    assert line_of(result) == f'{digits.jpg("test_03")}: the file is empty'
    assert not (digits.work_dir / 'p.npz').exists()


# Sound and frames that differ from the rest ------------------------------------------------------------------------

def test_stereo_is_mixed_and_another_rate_resampled(run_tool, digits):
    def scores(out):
        result = run_tool('test.py', digits.config, digits.work_dir / 'epoch_1.pth', '--work-dir', digits.work_dir,
                          '--out', out)
        assert (result.status, result.err) == (0, '')
        return np.load(out)['score_audio']

    time = np.arange(4410) / 22050
    soundfile.write(digits.wav('test_00'), 0.4 * np.sin(2 * np.pi * 440 * time), 22050)
    plain = scores(digits.work_dir / 'plain.npz')
    tone = 0.4 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(digits.wav('test_00'), np.stack([tone * 2, tone * 0], 1), 22050)
    assert scores(digits.work_dir / 'stereo.npz') == pytest.approx(plain, abs=1e-3)
    soundfile.write(digits.wav('test_00'), 0.4 * np.sin(2 * np.pi * 440 * np.arange(1600) / 8000), 8000)
    slow = scores(digits.work_dir / 'slow.npz')
    assert slow == pytest.approx(plain, abs=0.02) and not np.array_equal(slow, plain)


def test_a_clip_shorter_than_asked_can_be_refused(refused):
    line = refused('train_dataloader.dataset.pipeline.2.short=error')
    assert re.fullmatch(r'ROOT/train/audio/\d/train_\d\d.wav: the sound is too short, 4410 of 22050 samples', line)


def test_too_few_frames_can_be_refused(refused):
    line = refused('train_dataloader.dataset.pipeline.4.sampling=centers',
                   'train_dataloader.dataset.pipeline.4.short=error')
    assert re.fullmatch(r'ROOT/train/video/\d/train_\d\d: 1 frames, 3 are needed', line)


def test_clips_of_unequal_length_are_named(refused, digits):
    shutil.copy(digits.jpg(CLIP), digits.jpg(CLIP).with_name('frame_1.jpg'))
    assert refused().startswith(f'sample {CLIP}: its visual input has the shape (3, 2, 16, 16), others of the batch '
                                'have (3, 1, 16, 16); ')
    Image.new('RGB', (8, 8)).save(digits.jpg(CLIP).with_name('frame_1.jpg'))
    assert refused() == 'frames of a clip have different sizes; add Resize or a crop to the pipeline'


VIDEO_CONFIG = """
_base_ = './tiny.py'
pipeline = [
    dict(type='LoadAudio'), dict(type='ResampleAudio', sample_rate=8000), dict(type='CropOrRepeatAudio', length=8000),
    dict(type='LogSpectrogram', n_fft=128, hop_length=200), dict(type='LoadVideoFrames', num_frames=2),
    dict(type='PackAVInputs')]
layout = dict(video_path='{id}.avi')
split = dict(ann_file='train.csv', pipeline=pipeline, layout=layout)
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = dict(dataset=split)
"""


@pytest.fixture
def videos(digits):
    """The same clips as video files; the config over them."""
    tone = 0.4 * np.sin(np.arange(4000) / 3)
    for i in range(16):
        write_avi(digits.root / f'train_{i:02d}.avi', 3, tone, 8000)
    config = digits.config.with_name('videos.py')
    config.write_text(VIDEO_CONFIG)
    return config


@pytest.mark.parametrize(('damage', 'reason'), [
    (lambda p: cut(p, 0), r'the file is empty'),
    (lambda p: cut(p, 2000), r'the file is truncated \(2000 of \d+ bytes\)'),
    (lambda p: p.write_text('no video, not at all'), r'(not a readable video file|the sound track cannot be decoded)'),
])
def test_a_video_that_cannot_be_read(refused, digits, videos, damage, reason):
    damage(digits.root / f'{CLIP}.avi')
    assert re.fullmatch(rf'ROOT/{CLIP}\.avi: {reason}', refused(config=videos))


def test_a_video_without_sound(refused, go_on, digits, videos):
    write_avi(digits.root / f'{CLIP}.avi', 3)
    line = refused('train_dataloader.dataset.pipeline.0.without_sound=error', config=videos)
    assert line == f'ROOT/{CLIP}.avi: the video has no sound track'
    result = go_on(config=videos)
    assert (result.status, result.err) == (0, '') and 'epoch_2.pth' in digits.saved()


# Configs -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(('option', 'line'), [
    ('model.fusion.type=ConcatFusoin', r"model\.fusion: 'ConcatFusoin' is not in the .*; did you mean ConcatFusion.*"),
    ('model.encoders.audio.type=SmallConvNett', r'model\.encoders\.audio: .*did you mean SmallConvNet.*'),
    ('train_dataloader.dataset.type=AVDigit', r'train_dataloader\.dataset: .*did you mean AVDigits.*'),
    ('train_dataloader.dataset.pipeline.0.type=LoadAudi', r'.*pipeline\[0\]: .*did you mean LoadAudio.*'),
    ('optim_wrapper.optimizer.lrr=0.1', r"optim_wrapper\.optimizer: unknown argument 'lrr' .*did you mean 'lr'.*"),
    ('train_cfg.max_epoch=3', r"train_cfg: unknown argument 'max_epoch' .*did you mean 'max_epochs'.*"),
    ('train_dataloader.batchsize=3', r"train_dataloader: unknown argument 'batchsize' .*did you mean 'batch_size'.*"),
    ('optim_wraper.optimizer.lr=0.1', r"--cfg-options: .*'optim_wraper'.*did you mean 'optim_wrapper'.*"),
    ('train_dataloder.batch_size=8', r"--cfg-options: .*'train_dataloder'.*did you mean 'train_dataloader'.*"),
    ('custom_imports.imports=no_such_package', r"custom_imports: there is no package 'no_such_package' .*"),
    ('select_on=vall', r"select_on is 'vall'; it must be 'val' or 'test'"),
])
def test_a_misspelt_config(refused, option, line):
    found = refused(option)
    assert re.fullmatch(line, found), found


def test_a_config_that_is_none(run_tool, tmp_path):
    assert line_of(run_tool('train.py', tmp_path / 'no.py')) == f'{tmp_path}/no.py: no such config file'
    (tmp_path / 'bad.py').write_text('model = dict(\n')
    assert re.match(r'.*bad\.py: cannot be read as a config: SyntaxError: .*', line_of(run_tool('train.py',
                                                                                               tmp_path / 'bad.py')))
    (tmp_path / 'base.py').write_text("_base_ = './nothing.py'\n")
    assert 'nothing.py' in line_of(run_tool('train.py', tmp_path / 'base.py'))


def test_an_option_that_is_no_assignment(run_tool, digits):
    result = run_tool('train.py', digits.config, '--cfg-options', 'seed')
    assert result.status == 2
    assert result.err.endswith("train.py: error: argument --cfg-options: 'seed' is not of the form KEY=VALUE\n")


# Checkpoints -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
@pytest.mark.parametrize(('make', 'line'), [
    (lambda p: None, r'.*other\.pth: no such checkpoint'),
    (lambda p: cut(shutil.copy(p.with_name('epoch_1.pth'), p), 5000), r'.*other\.pth is torn: .*'),
    (lambda p: p.write_bytes(b''), r'.*other\.pth is torn: .*'),
    (lambda p: p.write_text('hello'), r'.*other\.pth is torn or not a checkpoint .*'),
    (lambda p: torch.save(dict(state_dict={'w': torch.ones(2)}), p), r'.*other\.pth .*(missing|another model).*'),
    (lambda p: torch.save(dict(state_dict={}, hook=Path('x')), p), r'.*other\.pth holds more than plain data .*'),
])
def test_a_checkpoint_that_does_not_serve(run_tool, digits, tool, make, line):
    other = digits.work_dir / 'other.pth'
    make(other)
    before = digits.saved()
    arguments = (digits.config, '--resume', other) if tool == 'train.py' else (digits.config, other)
    found = line_of(run_tool(tool, *arguments, '--work-dir', digits.work_dir))
    assert re.fullmatch(line, found), found
    assert digits.saved() == before


def test_a_torn_newest_checkpoint_is_passed_over(go_on, digits):
    assert go_on().status == 0
    second = torch.load(digits.work_dir / 'epoch_2.pth', weights_only=True)['state_dict']
    cut(digits.work_dir / 'epoch_2.pth', 9000)
    result = go_on()
    assert (result.status, result.err) == (0, '')
    assert re.search(r'not resumed from it: .*epoch_2\.pth is torn', result.out)
    again = torch.load(digits.work_dir / 'epoch_2.pth', weights_only=True)
    assert again['meta']['epoch'] == 2 and all(torch.equal(again['state_dict'][k], second[k]) for k in second)


# Work directory and disk -------------------------------------------------------------------------------------------

@pytest.mark.parametrize(('place', 'reason'), [
    ('{tmp}/file', 'File exists|Not a directory'),
    ('{tmp}/file/run', 'Not a directory'),
    ('/sys/kernel/avmm', 'Operation not permitted|Permission denied|Read-only file system'),
    ('/proc/avmm', 'No such file or directory|Permission denied'),
])
@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
def test_a_work_directory_that_cannot_be_written(run_tool, digits, tmp_path, place, reason, tool):
    (tmp_path / 'file').write_text('mine')
    folder = place.format(tmp=tmp_path)
    checkpoint = [digits.work_dir / 'epoch_1.pth'] if tool == 'test.py' else []
    line = line_of(run_tool(tool, digits.config, *checkpoint, '--work-dir', folder))
    assert re.fullmatch(rf'the work directory {folder} cannot be written \(({reason})\); choose .* --work-dir', line)
    assert (tmp_path / 'file').read_text() == 'mine'


FULL_DISK = """
import resource
from pathlib import Path

from mmengine.hooks import Hook

from avmm.registry import HOOKS


@HOOKS.register_module()
class FullDiskHook(Hook):
    priority = 'LOWEST'

    def after_val_epoch(self, runner, metrics):
        # From here on the kernel refuses to let a file grow to the size of a checkpoint.
        size = Path(runner.work_dir, 'epoch_1.pth').stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1000, resource.RLIM_INFINITY))
"""


def test_a_full_disk_at_checkpoint_time(run_process, run_tool, digits, tmp_path):
    (tmp_path / 'full_disk.py').write_text(FULL_DISK)
    config, work_dir = tmp_path / 'full_disk_config.py', tmp_path / 'full'
    config.write_text("_base_ = './tiny.py'\ncustom_imports = dict(imports=['full_disk'])\n"
                      "custom_hooks = [dict(type='FullDiskHook')]\ntrain_cfg = dict(max_epochs=3)\n"
                      "default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))\n")
    result = run_process('train.py', config, '--work-dir', work_dir, PYTHONPATH=str(tmp_path))
    assert line_of(result) == (f'{work_dir}/epoch_2.pth could not be written (File too large); what was saved before '
                               'is untouched; free some space and continue with --resume')
    assert [p.name for p in work_dir.glob('epoch_*')] == ['epoch_1.pth'] and not list(work_dir.glob('.*.tmp'))
    done = run_tool('train.py', digits.config, '--resume', '--work-dir', work_dir, '--cfg-options',
                    'train_cfg.max_epochs=2', 'default_hooks.checkpoint.max_keep_ckpts=1')
    assert (done.status, done.err) == (0, '') and 'epoch_1.pth at epoch 1, iteration 2' in done.out
    assert [p.name for p in work_dir.glob('epoch_*')] == ['epoch_2.pth']
