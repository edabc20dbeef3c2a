"""AVE: a row for every line of Annotations.txt, read by the data set."""
from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from avmm.datasets.ave import AVEDataset
from avmm.datasets.ave_files import AVE_CLASSES, read_annotations
from avmm.datasets.feature_store import ArraySpec, FeatureStore
from avmm.datasets.feature_store_writer import FeatureStoreWriter
from avmm.extraction import Extraction, Layout, Shard, StoreRun, ave_items, clips_of, write_official
from avmm.registry import EXTRACTORS
from avmm.testing.toy_extractor import ToyExtractor
from avmm.utils import DataError

#: Ids of the videos of the lines; two of them have more than one event.
NAMES = ('b', 'a', 'c', 'a', 'b', 'd', 'a')


@EXTRACTORS.register_module()
class ToySegments(ToyExtractor):
    """Three seconds, of vectors or of maps, from the first byte of a file.

    Args:
        shape: Shape of the feature of a second.
    """

    def __init__(self, shape: tuple[int, ...] = (4, ), **kwargs):
        super().__init__(**kwargs)
        self.spec = ArraySpec((3, *shape))

    def finish(self, features):
        return np.full(self.spec.shape, features[0, 0].item(), np.float32)


@pytest.fixture
def ave(toys, tmp_path) -> Path:
    """A folder with Annotations.txt, orders, and videos in AVE."""
    toys(0, 'AVE', a=b'\x01', b=b'\x02', c=b'\x03')
    (tmp_path / 'AVE' / 'd.webm').write_bytes(b'\x04')
    lines = [f'{AVE_CLASSES[i % 3]}&{name}&good&{i % 2}&{2 + i % 2}' for i, name in enumerate(NAMES)]
    (tmp_path / 'Annotations.txt').write_text('\n'.join(lines) + '\n')
    for split, rows in dict(train=[4, 0, 2], val=[1, 6], test=[5, 3]).items():
        with h5py.File(tmp_path / f'{split}_order.h5', 'w') as file:
            file['order'] = rows
    return tmp_path


def extract(folder: Path, **options):
    extractors = dict(audio=ToySegments(modality='audio'), visual=ToySegments((2, 2, 5)))
    with Extraction(extractors, num_workers=0) as extraction:
        items = ave_items(folder / 'Annotations.txt', folder / 'AVE')
        report = StoreRun(extraction, items, Layout(folder / 'features.h5', Shard()), **options).run()
    return report, sum(extractors['audio'].batches)


def test_rows_follow_the_lines_and_a_video_is_done_once(ave):
    report, units = extract(ave)
    assert report.status == 0 and report.done == 7 and units == 4
    store = FeatureStore(ave / 'features.h5')
    assert store.keys == [f'row_{i:04d}' for i in range(7)]
    assert store['audio'].gather(range(7))[:, 0, 0].tolist() == [2, 1, 3, 1, 2, 4, 1]


@pytest.mark.parametrize('storage', ['store', 'h5'])
def test_the_data_set_reads_what_was_written(ave, storage):
    extract(ave)
    if storage == 'h5':
        written = write_official(ave / 'features.h5', ave)
        assert [path.name for path in written] == ['audio_feature.h5', 'visual_feature.h5']
        with h5py.File(ave / 'visual_feature.h5') as file:
            assert file['avadataset'].dtype == np.float64 and file['avadataset'].shape == (7, 3, 2, 2, 5)
        os.remove(ave / 'features.h5')
    dataset = AVEDataset(data_root=str(ave), split='train', storage=storage)
    values = [float(dataset[i]['inputs']['audio'][0, 0]) for i in range(len(dataset))]
    assert sorted(values) == [2, 2, 3] and dataset[0]['inputs']['visual'].shape == (3, 2, 2, 5)


def test_a_video_that_is_missing_keeps_the_rows_from_shifting(ave):
    os.remove(ave / 'AVE' / 'a.mp4')
    report, _ = extract(ave, on_error='hold')
    assert report.status == 1 and not (ave / 'features.h5').exists()
    assert [entry['key'] for entry in report.failed] == ['row_0001', 'row_0003', 'row_0006']
    assert 'No such file' in report.failed[0]['reason'] and 'AVE/a.mp4' in report.failed[0]['reason']
    report, units = extract(ave, on_error='zeros', resume=True)
    assert units == 0 and len(report.failed) == 3
    assert FeatureStore(ave / 'features.h5')['audio'].gather(range(7))[:, 0, 0].tolist() == [2, 0, 3, 0, 2, 4, 0]


def test_the_published_list(ave):
    published = Path(os.environ.get('AVMM_REAL_DATA') or '-', 'data', 'ave', 'Annotations.txt')
    if not published.is_file():
        # As long, with as many videos.
        names = [f'v{i % 4097:04d}' for i in range(4143)]
        published = ave / 'long.txt'
        published.write_text('\n'.join(f'{AVE_CLASSES[0]}&{name}&good&0&10' for name in names))
    items, names = ave_items(published, ave / 'AVE'), read_annotations(published).names
    clips = clips_of(items)
    assert len(items) == len({item.key for item in items}) == 4143 and len(clips) == 4097
    assert [Path(item.path).stem for item in items] == list(names)
    assert sorted(key for clip in clips for key in clip.keys) == [f'row_{i:04d}' for i in range(4143)]


def test_what_cannot_be_a_file_of_ave(ave, tmp_path):
    with pytest.raises(DataError, match=r'nowhere: the folder of the videos cannot be read'):
        ave_items(ave / 'Annotations.txt', ave / 'nowhere')
    for name, spec, message in [('speech', ArraySpec((2, )), 'has none of audio, visual, visual_vec'),
                                ('audio', ArraySpec((None, 2)), "the length of 'audio' varies")]:
        with FeatureStoreWriter(tmp_path / 'x.h5', {name: spec}, overwrite=True) as writer:
            writer.add('a', **{name: np.zeros((1, 2) if spec.varies else 2)})
        with pytest.raises(DataError, match=message):
            write_official(tmp_path / 'x.h5', tmp_path)
