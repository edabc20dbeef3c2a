"""The engine: batches across clips, crashes, time-outs, bounded work."""
from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from avmm.datasets.feature_store import ArraySpec
from avmm.extraction import Extraction, FeatureExtractor, clips_of, read_items, workers
from avmm.extraction.batches import Batch, Batcher, Rows
from avmm.registry import EXTRACTORS
from avmm.testing.toy_extractor import ToyExtractor
from avmm.utils import ConfigError, MissingDependencyError


def extract(folder, extractors, **options) -> dict:
    with Extraction(extractors, **options) as extraction:
        return {result.clip.keys[0]: result for result in extraction.run(clips_of(read_items(folder)))}


def errors(results: dict) -> dict:
    return {key: result.error for key, result in results.items() if result.error}


@pytest.mark.parametrize('num_workers', [0, 1, 2])
def test_features_are_those_of_each_clip(toys, num_workers):
    pooled, rows = ToyExtractor(), ToyExtractor(pool=False, batch_size=5, scale=2.0)
    results = extract(toys(12), dict(pooled=pooled, rows=rows), num_workers=num_workers)
    assert len(results) == 12 and not errors(results)
    for i in range(12):
        features = results[f'c{i:02d}'].features
        assert np.array_equal(features['pooled'], i * np.arange(1, 5, dtype=np.float32))
        assert np.array_equal(features['rows'], np.tile(2 * i * np.arange(1, 5, dtype=np.float32), (i + 1, 1)))
    # 78 units in all, which no clip fills a batch with.
    assert pooled.batches == [8] * 9 + [6] and rows.batches == [5] * 15 + [3]


def test_broken_clips_fail_alone(toys):
    folder = toys(6, bad=b'bad', crash=b'crash', crash2=b'crash', empty=b'', nan=b'nan')
    results = extract(folder, dict(toy=ToyExtractor()), num_workers=2)
    path = str(folder)
    assert errors(results) == {
        'bad': f'{path}/bad.mp4: not a toy', 'crash': f'{path}/crash.mp4: the decoder crashed (SIGSEGV)',
        'crash2': f'{path}/crash2.mp4: the decoder crashed (SIGSEGV)', 'empty': f'{path}/empty.mp4: too short for toy',
        'nan': f"{path}/nan.mp4: the feature 'toy' has numbers that are not finite; in mixed precision, try bf16 or "
               'none'}
    assert len(results) == 11 and all(f'c{i:02d}' in results for i in range(6))


def test_a_clip_that_takes_too_long_is_given_up(toys):
    started = time.monotonic()
    results = extract(toys(2, sleep=b'sleep'), dict(toy=ToyExtractor()), num_workers=1, timeout=3)
    assert 3 < time.monotonic() - started < 50 and len(results) == 3
    assert errors(results)['sleep'].endswith('sleep.mp4: took longer than 3 s')


def test_a_clip_of_two_extractors_fails_once(toys):
    results = extract(toys(1, nan=b'nan'), dict(a=ToyExtractor(), b=ToyExtractor(dim=2)), num_workers=1)
    assert list(errors(results)) == ['nan'] and set(results['c00'].features) == {'a', 'b'}


@EXTRACTORS.register_module()
class Shapes(ToyExtractor):
    """Units of as many numbers as the first byte of the file says."""

    def load(self, media):
        units = super().load(media)
        return units.repeat(1, int(units[0, 0]) + 1)

    def forward(self, units):
        return super().forward(units[:, :1] + 0 * units.sum(1, keepdim=True))


def test_units_of_different_shapes_do_not_share_a_batch(toys):
    extractor = Shapes(batch_size=4)
    folder = toys(0, a=bytes([1] * 3), b=bytes([1] * 3), c=bytes([2]), d=bytes([2]), e=bytes([1] * 2))
    results = extract(folder, dict(toy=extractor), num_workers=0)
    assert {key: int(result.features['toy'][0]) for key, result in results.items()} == dict(a=1, b=1, c=2, d=2, e=1)
    assert extractor.batches == [4, 2, 2, 2]


class Narrow(ToyExtractor):
    """Does not keep to its spec."""

    def finish(self, features):
        return super().finish(features)[:2]


class Greedy(ToyExtractor):
    """Gives a row too few."""

    def forward(self, units):
        return super().forward(units)[1:]


class Poor(ToyExtractor):
    """Needs a package that is not there."""

    def load(self, media):
        raise MissingDependencyError('decord cannot be imported')


@pytest.mark.parametrize(('extractor', 'kind', 'message'), [
    (Narrow(), ConfigError, r'extractors\.toy: finish gave the shape \(2,\), where spec says \(4,\)'),
    (Greedy(), ConfigError, r'extractors\.toy: forward gave 5 rows for 6 units'),
    (Poor(), MissingDependencyError, 'decord cannot be imported'),
])
def test_what_concerns_every_clip_ends_the_run(toys, extractor, kind, message):
    for num_workers in (0, 1):
        with pytest.raises(kind, match=message):
            extract(toys(3), dict(toy=extractor), num_workers=num_workers)


class Unfinished(FeatureExtractor):
    """Forgets its attributes."""
    modality = 'smell'

    def load(self, media):
        return torch.zeros(1)

    def forward(self, units):
        return units


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigError, match='extractors: at least one is needed'):
        Extraction({})
    with pytest.raises(ConfigError, match=r'extractors\.x: Unfinished must set modality to audio or visual'):
        Extraction(dict(x=Unfinished()))
    extractor = Unfinished()
    extractor.modality = 'audio'
    with pytest.raises(ConfigError, match=r'extractors\.x: Unfinished must set spec to an ArraySpec'):
        Extraction(dict(x=extractor))
    toy = dict(toy=ToyExtractor())
    for options, message in [(dict(amp='int8'), "amp is 'int8'; it must be bf16 or fp16"),
                             (dict(num_workers=-1), 'num_workers must be at least 0'),
                             (dict(num_workers=0, timeout=1), 'a time-out needs worker processes'),
                             (dict(batch_size=dict(tot=3)), 'batch_size names tot; the extractors are toy'),
                             (dict(batch_size=-3), 'batch_size must be at least 1')]:
        with pytest.raises(ConfigError, match=message):
            Extraction(toy, **options)


def test_mixed_precision_is_asked_for_and_features_are_float32(toys):
    class Product(ToyExtractor):
        def forward(self, units):
            return units.float() @ self.weight[None]

    folder = toys(3)
    exact = extract(folder, dict(toy=Product(scale=1.001)), num_workers=0)
    rough = extract(folder, dict(toy=Product(scale=1.001)), num_workers=0, amp='bf16', batch_size=dict(toy=2))
    assert exact['c02'].features['toy'].dtype == rough['c02'].features['toy'].dtype == np.float32
    assert exact['c02'].features['toy'][0] == np.float32(2 * 1.001) and rough['c02'].features['toy'][0] == 2.0


def test_workers_get_no_parameters_and_the_extractor_keeps_them():
    extractor = ToyExtractor()
    extractor.register_buffer('window', torch.ones(3))
    copy = extractor.for_workers()
    assert copy.weight.numel() == 0 and extractor.weight.numel() == 4 and copy.window.tolist() == [1, 1, 1]
    assert copy.spec == ArraySpec((4, ))


def test_no_more_clips_are_decoded_than_can_be_used(toys):
    taken = []

    def clips():
        for clip in clips_of(read_items(folder)):
            taken.append(clip)
            yield clip

    folder = toys(40)
    with Extraction(dict(toy=ToyExtractor(batch_size=1)), num_workers=2, depth=2) as extraction:
        for done, _ in enumerate(extraction.run(clips()), 1):
            # Four with the workers, four that have arrived meanwhile.
            assert len(taken) <= done + 8
    assert done == 40


def test_a_batch_of_one_clip_is_not_copied():
    seen = []

    class Keeps(ToyExtractor):
        def forward(self, units):
            seen.append(units.data_ptr())
            return units.float()

    units = torch.arange(8, dtype=torch.uint8)[:, None]
    batcher = Batcher('toy', Keeps(), 4, torch.device('cpu'))
    batcher.put(Rows(units))
    assert batcher.full and batcher.run() == [] and len(batcher.run()) == 1 and not batcher.busy
    assert seen == [units.data_ptr(), units.data_ptr() + 4]


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float16, torch.float64, torch.bool, torch.int64])
def test_units_cross_from_a_worker_as_they_lie_in_memory(dtype):
    frames = torch.arange(24).to(dtype).view(2, 3, 2, 2)
    units = dict(a=torch.arange(7).to(dtype)[:, None], b=frames.contiguous(memory_format=torch.channels_last),
                 c=frames[:, :, 1:], d=frames.permute(3, 1, 0, 2))
    layout, file = workers._store(units)
    back = workers._map(layout, file)
    assert all(torch.equal(back[name], units[name]) and back[name].dtype == dtype for name in units)
    assert back['b'].is_contiguous(memory_format=torch.channels_last) and back['d'].stride() == units['d'].stride()


class Event:
    """What a device says when it is through with a batch."""

    def __init__(self, log: list):
        self.log = log

    def synchronize(self):
        self.log.append('waited')


def test_a_device_computes_a_batch_while_the_one_before_is_read(monkeypatch):
    log: list = []

    def begin(units, parts):
        log.append(units[:, 0].tolist())
        return Batch(parts, units.float(), Event(log))

    batcher = Batcher('toy', ToyExtractor(), 2, torch.device('cpu'))
    monkeypatch.setattr(batcher, '_start', begin)
    clips = [Rows(torch.tensor(values, dtype=torch.uint8)[:, None]) for values in ([1, 2, 3], [4, 5], [6])]
    for rows in clips:
        batcher.put(rows)
    complete = []
    while batcher.busy:
        complete += batcher.run()
    assert log == [[1, 2], [3, 4], 'waited', [5, 6], 'waited', 'waited']
    assert [rows.features[:, 0].tolist() for rows in complete] == [[1, 2, 3], [4, 5], [6]] and complete == clips
