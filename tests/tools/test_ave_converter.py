"""Completing a folder of AVE."""
from __future__ import annotations

import multiprocessing
import os
import runpy
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from avmm.datasets import AVEDataset, FeatureStore
from avmm.datasets.ave_files import read_array
from tests.datasets.ave_files_for_tests import NOISY, ROWS, write_h5, write_official

NAME = 'dataset_converters/ave.py'
SCRIPT = Path(__file__).resolve().parents[2] / 'tools' / NAME


@pytest.fixture
def ave(tmp_path):
    """A small AVE without labels, and its features."""
    return tmp_path / 'ave', write_official(tmp_path / 'ave', labels=False)


def done(result) -> str:
    assert (result.status, result.err) == (0, ''), result.err
    return result.out


def refusal(result) -> str:
    assert result.status == 2 and result.err.count('\n') == 1, result.err
    return result.err.removeprefix('error: ').strip()


def test_labels_and_stores_are_made(run_tool, ave, tmp_path):
    root, features = ave
    write_official(tmp_path / 'complete')
    out = done(run_tool(NAME, root))
    for name in ('labels.h5', 'mil_labels.h5', 'labels_closs.h5'):
        assert np.array_equal(read_array(root / name), read_array(tmp_path / 'complete' / name))
    store, noisy = FeatureStore(root / 'features.h5'), FeatureStore(root / 'features_noisy.h5')
    assert (len(store), len(noisy)) == (ROWS, NOISY) and store.keys[11] == 'row_0011'
    assert np.array_equal(store['visual'].gather(range(ROWS)), features['visual_feature'])
    assert store['audio'].dtype == np.float32 and noisy.keys[0] == 'background_0000'
    assert out.count('the same numbers') == 4 and f'content {store.content_key[:16]}' in out
    assert '0 of 9 small files are the published ones' in out and not list(root.glob('*.part'))


def test_both_storages_give_the_same_samples(run_tool, ave):
    root, features = ave
    write_h5(root / 'visual_feature_vec.h5', features['visual_feature'].mean((2, 3)))
    done(run_tool(NAME, root))
    for options in (dict(), dict(setting='weak'), dict(setting='matching'), dict(setting='weak', visual='vectors')):
        published, packed = (AVEDataset(root, storage=storage, **options) for storage in ('h5', 'store'))
        assert published.fingerprint() == packed.fingerprint() == AVEDataset(root, **options).fingerprint()
        first, second = (d.__getitems__(range(len(d)))['inputs'] for d in (published, packed))
        assert all(np.array_equal(first[m], second[m]) for m in ('audio', 'visual'))
    for name in root.glob('*feature*_*.h5'):
        name.unlink()
    assert len(AVEDataset(root)) == 7


def test_it_says_whether_numbers_were_rounded(run_tool, ave):
    root, _ = ave
    audio = np.random.default_rng(0).standard_normal((ROWS, 10, 4))
    write_h5(root / 'audio_feature.h5', audio)
    out = done(run_tool(NAME, root, '--dtype', 'float16'))
    assert 'audio: rounded, by ' in out and 'visual: the same numbers' in out
    assert np.array_equal(FeatureStore(root / 'features.h5')['audio'].gather(range(ROWS)), audio.astype('float16'))
    assert AVEDataset(root, dtype=None)[0]['inputs']['audio'].numpy().dtype == np.float16
    assert refusal(run_tool(NAME, root)).startswith(
        f'{root}/features.h5 holds other features (12 videos: audio 10 x 4 float16')
    assert 'the same numbers' in done(run_tool(NAME, root, '--dtype', 'float64', '--overwrite'))


def test_numbers_that_do_not_fit(run_tool, ave):
    write_h5(ave[0] / 'audio_feature.h5', np.full((ROWS, 10, 4), 1e6))
    with pytest.warns(RuntimeWarning, match='overflow'):
        line = refusal(run_tool(NAME, ave[0], '--dtype', 'float16'))
    assert line.endswith('numbers up to 1e+06 do not fit into float16; pack them with --dtype float32 --overwrite')


def test_a_second_time_everything_is_compared(run_tool, ave):
    root, _ = ave
    done(run_tool(NAME, root))
    before = (root / 'features.h5').stat().st_mtime_ns
    out = done(run_tool(NAME, root))
    assert out.count('agrees with Annotations.txt') == 3 and 'it is compared with the published files' in out
    assert (root / 'features.h5').stat().st_mtime_ns == before
    labels = read_array(root / 'mil_labels.h5')
    write_h5(root / 'mil_labels.h5', labels[::-1])
    assert refusal(run_tool(NAME, root)) == (f'{root}/mil_labels.h5: differs from what follows from Annotations.txt; '
                                             '--overwrite replaces it')
    done(run_tool(NAME, root, '--overwrite', '--labels-only'))
    assert np.array_equal(read_array(root / 'mil_labels.h5'), labels)


def test_a_store_of_other_numbers_is_found(run_tool, ave):
    root, features = ave
    done(run_tool(NAME, root))
    features['visual_feature'][5, 0, 0, 0, 0] += 1
    write_h5(root / 'visual_feature.h5', features['visual_feature'])
    assert refusal(run_tool(NAME, root)) == (f"{root}/features.h5: 'visual' differs from {root}/visual_feature.h5 "
                                             'between the videos 0 and 11; --overwrite packs it anew')


def test_another_folder_can_be_made(run_tool, ave, tmp_path):
    out = tmp_path / 'packed'
    assert done(run_tool(NAME, ave[0], '--out', out))
    assert not (ave[0] / 'labels.h5').exists() and not (out / 'visual_feature.h5').exists()
    assert AVEDataset(out, setting='weak').fingerprint() == AVEDataset(ave[0], setting='weak').fingerprint()


def test_without_background_videos(run_tool, ave):
    (ave[0] / 'visual_feature_noisy.h5').unlink()
    assert 'no features of background videos' in done(run_tool(NAME, ave[0]))


@pytest.mark.parametrize(('damage', 'line'), [
    (shutil.rmtree, 'ROOT: no such folder; it has to hold the published files of AVE'),
    (lambda r: (r / 'Annotations.txt').unlink(), 'ROOT/Annotations.txt: the list of events is missing'),
    (lambda r: (r / 'audio_feature.h5').write_bytes(b''), 'ROOT/audio_feature.h5: the file is empty; make or copy it '
     'again'),
    (lambda r: write_h5(r / 'visual_feature.h5', np.zeros((11, 10, 3, 3, 8))), 'ROOT/visual_feature.h5: 11 videos, '
     'ROOT/audio_feature.h5 has 12'),
])
def test_files_that_do_not_serve(run_tool, ave, damage, line):
    damage(ave[0])
    assert refusal(run_tool(NAME, ave[0])).replace(str(ave[0]), 'ROOT') == line


def test_features_have_no_picture_but_are_verified(run_tool, ave, tmp_path):
    config = tmp_path / 'config.py'
    loader = f"dict(batch_size=2, dataset=dict(type='AVEDataset', data_root='{ave[0]}'))"
    config.write_text(f"default_scope = 'avmm'\ntrain_dataloader = {loader}\n")
    line = refusal(run_tool('analysis_tools/browse_dataset.py', config, '--out', tmp_path / 'out'))
    assert line == 'the data set has features (10, 3, 3, 8) in the place of frames, of which there is no picture'
    out = done(run_tool('analysis_tools/verify_dataset.py', config, '--workers', 0))
    assert f'train: 7 clips, fingerprint {AVEDataset(ave[0]).fingerprint()}' in out


def pack_slowly(root: Path) -> None:
    """What is killed: the converter, with a pause after every video."""
    from avmm.datasets.feature_store_writer import FeatureStoreWriter
    add_batch = FeatureStoreWriter.add_batch

    def slow(self, keys, values):
        for i, key in enumerate(keys):
            add_batch(self, [key], {name: value[i:i + 1] for name, value in values.items()})
            time.sleep(0.1)

    FeatureStoreWriter.add_batch = slow
    sys.argv = [str(SCRIPT), str(root)]
    with open(os.devnull, 'w') as sys.stdout:
        runpy.run_path(str(SCRIPT), run_name='__main__')


def test_a_killed_conversion_goes_on(run_tool, ave):
    root, features = ave
    process = multiprocessing.get_context('fork').Process(target=pack_slowly, args=(root, ))
    process.start()
    journal = root / 'features.h5.part' / 'journal'
    while process.is_alive() and not (journal.is_file() and journal.read_bytes().count(b'\n') > 4):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -9 and not (root / 'features.h5').exists()
    kept = journal.read_bytes()
    assert 4 <= kept.count(b'"key"') < ROWS
    done(run_tool(NAME, root))
    assert np.array_equal(FeatureStore(root / 'features.h5')['visual'].gather(range(ROWS)), features['visual_feature'])


def test_published_labels_are_made_again(run_tool, tmp_path):
    real = Path(os.environ.get('AVMM_REAL_DATA', os.devnull)) / 'data' / 'ave'
    if not real.is_dir():
        write_official(tmp_path / 'real')
        real = tmp_path / 'real'
    out = done(run_tool(NAME, real, '--out', tmp_path / 'out', '--labels-only'))
    assert out.count('agrees with Annotations.txt') == (2 if (real / 'mil_labels.h5').is_file() else 0)
    for name in ('mil_labels.h5', 'labels_closs.h5'):
        assert np.array_equal(read_array(tmp_path / 'out' / name), read_array(real / name))
    assert read_array(tmp_path / 'out' / 'labels.h5').sum(2).all()
