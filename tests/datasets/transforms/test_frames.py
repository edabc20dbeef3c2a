from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import v2 as reference

from avmm.datasets.transforms import (
    CenterCrop,
    FrameSampler,
    LoadFrames,
    Normalize,
    PackAVInputs,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
    stack_frames,
)
from avmm.utils import ConfigError, DataError


def image(width=60, height=40, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(params=['pillow', 'torch'])
def form(request):
    """Both forms of a frame, and how far they may be from torchvision's numbers."""
    return (lambda i: i, 0) if request.param == 'pillow' else (np.array, 2)


@pytest.mark.parametrize(('ours', 'theirs'), [
    (Resize((20, 33)), reference.Resize((20, 33))),
    (Resize(25), reference.Resize(25)),
    (Resize(25, 'bicubic'), reference.Resize(25, interpolation=InterpolationMode.BICUBIC)),
    (Resize(70), reference.Resize(70)),
    (CenterCrop(21), reference.CenterCrop(21)),
    (CenterCrop((50, 20)), reference.CenterCrop((50, 20))),
    (CenterCrop((51, 91)), reference.CenterCrop((51, 91))),
])
@pytest.mark.parametrize('size', [(60, 40), (41, 67)])
def test_numbers_of_torchvision(ours, theirs, size, form):
    convert, atol = form
    out = np.asarray(ours(dict(frames=[convert(image(*size))]))['frames'][0]).astype(int)
    expected = np.asarray(theirs(image(*size))).astype(int)
    assert out.shape == expected.shape and np.abs(out - expected).max() <= atol


def test_random_resized_crop_is_a_crop_and_a_resize(form):
    convert, atol = form
    step = RandomResizedCrop(16)
    box = step.box((60, 40), rng(3))
    out = step(dict(frames=[convert(image())], rng=rng(3)))['frames'][0]
    expected = np.asarray(image().crop(box).resize((16, 16), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(np.asarray(out).astype(int) - expected).max() <= atol


def test_random_crops_cover_the_options():
    step = RandomResizedCrop(16, scale=(0.25, 0.5), ratio=(0.5, 2))
    boxes = np.array([step.box((300, 200), rng(i)) for i in range(300)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = width * height / 60000, width / height
    assert boxes.min() >= 0 and boxes[:, 2].max() <= 300 and boxes[:, 3].max() <= 200
    assert 0.245 < area.min() < 0.27 and 0.48 < area.max() < 0.505
    assert 0.48 < ratio.min() < 0.6 and 1.7 < ratio.max() < 2.05


def test_a_crop_that_cannot_be_drawn_falls_back_to_the_middle():
    step = RandomResizedCrop(16, scale=(1, 1), ratio=(1, 1))
    assert step.box((100, 50), rng()) == (25, 0, 75, 50)
    assert step.box((50, 100), rng()) == (0, 25, 50, 75)


def test_frames_are_cropped_alike_or_each_on_its_own():
    frames = [image()] * 3
    own, shared = (RandomResizedCrop(16, shared=s)(dict(frames=frames, rng=rng()))['frames'] for s in (False, True))
    assert len({np.asarray(f).tobytes() for f in own}) == 3 and len({np.asarray(f).tobytes() for f in shared}) == 1


def test_flips(form):
    convert, _ = form
    frames = [convert(image())] * 40
    mirrored = np.asarray(image())[:, ::-1]
    flipped = [np.array_equal(f, mirrored) for f in RandomHorizontalFlip()(dict(frames=frames, rng=rng()))['frames']]
    assert 10 < sum(flipped) < 30
    for prob in (0, 1):
        out = RandomHorizontalFlip(prob, shared=True)(dict(frames=frames, rng=rng()))['frames']
        assert all(np.array_equal(f, mirrored) == bool(prob) for f in out)


def test_a_flip_before_a_resize(form):
    convert, atol = form
    frames = RandomHorizontalFlip(1)(dict(frames=[convert(image())], rng=rng()))
    out = np.asarray(Resize((20, 30))(frames)['frames'][0]).astype(int)
    expected = np.asarray(image().transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((30, 20), 2)).astype(int)
    assert np.abs(out - expected).max() <= atol


def test_normalize_has_the_numbers_of_torchvision(form):
    convert, _ = form
    out = Normalize()(dict(frames=[convert(image(seed=i)) for i in range(2)]))['visual']
    theirs = reference.Compose([reference.PILToTensor(), reference.ToDtype(torch.float32, scale=True),
                                reference.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    expected = torch.stack([theirs(image(seed=i)) for i in range(2)], 1)
    assert out.shape == (3, 2, 40, 60) and torch.allclose(out, expected, atol=1e-6)


def test_frames_are_stacked_channels_first(form):
    convert, _ = form
    out = stack_frames([convert(image(seed=i)) for i in range(2)])
    assert out.dtype == torch.uint8 and out.is_contiguous()
    assert torch.equal(out[:, 1].permute(1, 2, 0), torch.from_numpy(np.array(image(seed=1))))
    with pytest.raises(ConfigError, match='frames of a clip have different sizes; add Resize or a crop'):
        stack_frames([convert(image()), convert(image(30, 30))])


@pytest.mark.parametrize(('options', 'available', 'expected'), [
    (dict(num_frames=3, sampling='centers'), 10, [1, 5, 8]),
    (dict(num_frames=3, sampling='centers'), 2, [0, 1, 1]),
    (dict(num_frames=4, sampling='random'), 2, [0, 0, 1, 1]),
    (dict(num_frames=2, sampling='random'), 2, [0, 1]),
    (dict(sampling='fixed', indices=[1, 3, 5]), 10, [1, 3, 5]),
    (dict(sampling='fixed', indices=[1, 3, 5]), 4, [1, 3, 3]),
    (dict(sampling='all'), 4, [0, 1, 2, 3]),
])
def test_which_frames_are_chosen(options, available, expected):
    assert FrameSampler(**options).choose(available, rng(), 'clip').tolist() == expected


def test_random_frames_are_distinct_and_in_order():
    drawn = [FrameSampler(3, 'random').choose(10, rng(i), 'clip').tolist() for i in range(200)]
    assert all(a < b < c for a, b, c in drawn) and len({tuple(d) for d in drawn}) > 60


@pytest.mark.parametrize('backend', ['pillow', 'torch'])
def test_load_frames_in_natural_order(tmp_path, write_clip, backend):
    write_clip(folder=tmp_path / 'clip', frames=12)
    (tmp_path / 'clip' / 'notes.txt').write_text('not a frame')
    results = LoadFrames(sampling='fixed', indices=[2, 10], backend=backend)(dict(frame_dir=str(tmp_path / 'clip')))
    expected = [np.asarray(Image.open(tmp_path / 'clip' / f'frame_{i}.jpg')) for i in (2, 10)]
    assert all(np.array_equal(a, b) for a, b in zip(results['frames'], expected, strict=True))
    assert results['frame_indices'].tolist() == [2, 10]


def test_folders_of_frames_that_cannot_be_used(tmp_path, write_clip):
    with pytest.raises(DataError, match='none: the folder of frames is missing'):
        LoadFrames()(dict(frame_dir=str(tmp_path / 'none')))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match='empty: the folder holds no images'):
        LoadFrames()(dict(frame_dir=str(tmp_path / 'empty')))
    write_clip(folder=tmp_path / 'clip', frames=2)
    with pytest.raises(DataError, match='clip: 2 frames, 3 are needed'):
        LoadFrames(3, short='error')(dict(frame_dir=str(tmp_path / 'clip'), rng=rng()))


def test_pack():
    results = dict(audio=torch.zeros(1, 2, 3), frames=[image()], sample_id='x', gt_label=4, rng=rng())
    item = PackAVInputs(meta_keys=('sample_id', 'fold'))(dict(results))
    assert item['inputs']['visual'].shape == (3, 1, 40, 60) and item['inputs']['visual'].dtype == torch.uint8
    assert item['data_samples'].sample_id == 'x' and item['data_samples'].gt_label == 4
    assert 'fold' not in item['data_samples']
    assert PackAVInputs(squeeze_single_frame=True)(dict(results))['inputs']['visual'].shape == (3, 40, 60)
    assert set(PackAVInputs(keys=('audio', ))(dict(results))['inputs']) == {'audio'}
    assert 'gt_label' not in PackAVInputs()(dict(audio=torch.zeros(1)))['data_samples']
    with pytest.raises(ConfigError, match='PackAVInputs: audio is list, not a tensor'):
        PackAVInputs()(dict(audio=[1]))


def test_steps_leave_absent_frames_absent():
    for step in (LoadFrames(), Resize(4), CenterCrop(4), RandomResizedCrop(4), RandomHorizontalFlip(), Normalize()):
        assert step({}) == {}


@pytest.mark.parametrize(('make', 'message'), [
    (lambda: Resize((0, 3)), 'sizes must be at least 1 pixel'),
    (lambda: Resize(3, 'cubic'), "interpolation must be one of .* got 'cubic'"),
    (lambda: RandomResizedCrop(3, scale=(0.5, 0.1)), 'scale and ratio must be'),
    (lambda: RandomHorizontalFlip(2), 'prob must lie in 0 to 1'),
    (lambda: Normalize(std=(1, 1, 0)), 'mean and std take three numbers each'),
    (lambda: LoadFrames(sampling='first'), "sampling must be one of .* got 'first'"),
    (lambda: LoadFrames(sampling='fixed'), "indices go with sampling='fixed'"),
    (lambda: LoadFrames(0), 'num_frames must be at least 1'),
    (lambda: LoadFrames(short='pad'), "short must be 'repeat' or 'error'"),
    (lambda: LoadFrames(backend='cv2'), "backend must be 'pillow' or 'torch'"),
    (lambda: LoadFrames(backend='torch', draft_size=(2, 2)), "draft_size goes with backend='pillow'"),
    (lambda: LoadFrames(cache_size=9), 'cache_size must be at least 1 and goes with cache_dir, got 9'),
    (lambda: LoadFrames(cache_dir='c', cache_size=0), 'cache_size must be at least 1 and goes with cache_dir, got 0'),
])
def test_wrong_options(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.fixture
def jpg(tmp_path):
    path = tmp_path / 'a.jpg'
    image().save(path, quality=90)
    return path


def loaded(path, **options):
    return np.asarray(LoadFrames(1, **options)(dict(frame_paths=[str(path)], rng=rng()))['frames'][0])


@pytest.mark.parametrize('backend', ['pillow', 'torch'])
def test_cached_frames_are_the_same_pixels_without_decoding(tmp_path, jpg, backend):
    cache = tmp_path / 'cache'
    plain = loaded(jpg, backend=backend)
    first = loaded(jpg, backend=backend, cache_dir=str(cache))
    state = os.stat(jpg)
    jpg.write_bytes(b'x' * state.st_size)
    os.utime(jpg, ns=(state.st_atime_ns, state.st_mtime_ns))
    again = loaded(jpg, backend=backend, cache_dir=str(cache))
    assert np.array_equal(plain, first) and np.array_equal(plain, again)
    other = loaded(jpg, backend='torch' if backend == 'pillow' else 'pillow', cache_dir=str(cache))
    assert np.array_equal(plain, other) and len(list(cache.rglob('*.rgb'))) == 1


def test_cached_frames_shrink_to_the_shorter_side(tmp_path, jpg):
    cache = str(tmp_path / 'cache')
    first, again = (loaded(jpg, cache_dir=cache, cache_size=20) for _ in range(2))
    expected = np.asarray(Image.open(jpg).resize((30, 20), Image.Resampling.BILINEAR))
    assert np.array_equal(first, expected) and np.array_equal(again, expected)
    assert loaded(jpg, cache_dir=cache, cache_size=50).shape == (40, 60, 3)
    assert loaded(jpg, cache_dir=cache).shape == (40, 60, 3)


def test_cached_frames_follow_a_changed_file_and_a_damaged_cache(tmp_path, jpg):
    cache = tmp_path / 'cache'
    first = loaded(jpg, cache_dir=str(cache))
    place = next(cache.rglob('*.rgb'))
    whole = place.read_bytes()
    place.write_bytes(whole[:-8])
    assert np.array_equal(loaded(jpg, cache_dir=str(cache)), first) and place.read_bytes() == whole
    image(seed=1).save(jpg, quality=80)
    assert np.array_equal(loaded(jpg, cache_dir=str(cache)), loaded(jpg))


def test_a_missing_image_is_named_whether_cached_or_not(tmp_path):
    with pytest.raises(DataError, match=r'none\.jpg: the file is missing'):
        loaded(tmp_path / 'none.jpg', cache_dir=str(tmp_path / 'cache'))


def test_frames_that_cannot_be_kept_cost_a_warning(tmp_path, jpg):
    (tmp_path / 'file').write_text('in the way')
    with pytest.warns(UserWarning, match='frames are not cached any more'):
        assert loaded(jpg, cache_dir=str(tmp_path / 'file' / 'cache')).shape == (40, 60, 3)
