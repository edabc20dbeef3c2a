"""The analyses of the figures, and the commands that make them from checkpoints."""
from __future__ import annotations

import csv
import json
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from avmm.utils import ConfigError, DataError
from projects.uavm.tools import attention_maps, modality_probe, performance, representations, retrieval
from projects.uavm.uavm import converter
from projects.uavm.uavm.analysis import (
    AttentionDifference,
    attention_image,
    attention_of,
    collect,
    dump,
    find_run,
    group_runs,
    mean_differences,
    open_split,
    read_dump,
)
from projects.uavm.uavm.analysis import modality_probe as probe
from projects.uavm.uavm.analysis.runs import first_of_each_class
from projects.uavm.uavm.models import UAVM

CLASSES, CLIPS, WIDTH = 4, 24, 12
CONFIG = """
custom_imports = dict(imports=['projects.uavm.uavm'])
default_scope = 'avmm'
model = dict(type='{type}', num_classes=4, specific_depth={specific}, shared_depth={shared}, channels=16,
             shared_channels={width}, num_heads=2, num_steps=6, in_channels=12,
             data_preprocessor=dict(type='UAVMDataPreprocessor'))
test_dataloader = dict(
    batch_size=5, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='UAVMFeatureDataset', ann_file='clips.json', label_file='labels.csv', data_root='{root}',
                 seq_len=6, test_mode=True))
custom_hooks = [dict(type='ModalityDrawHook', prob=0.3)]
"""


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('avmm'):
        yield


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """Features of some clips; those of a class are alike."""
    root, rng = tmp_path_factory.mktemp('data'), np.random.default_rng(0)
    centres, clips = rng.standard_normal((CLASSES, WIDTH)), []
    for i in range(CLIPS):
        clip = dict(labels=f'vgg_{i % CLASSES}')
        for key, dtype in (('afeat', np.float32), ('vfeat', np.float16)):
            np.save(root / f'{key}{i}.npy',
                    (centres[i % CLASSES] + rng.standard_normal((6, WIDTH))).astype(dtype))
            clip[key] = f'{key}{i}.npy'
        clips.append(clip)
    (root / 'clips.json').write_text(json.dumps(dict(data=clips)))
    with open(root / 'labels.csv', 'w', newline='') as file:
        csv.writer(file).writerows([['index', 'mid', 'display_name'],
                                    *([i, f'vgg_{i}', f'class {i}'] for i in range(CLASSES))])
    return root


def work_dir(data: Path, folder: Path, kind: str = 'UAVM', specific: int = 1, shared: int = 1, width: int = 8,
             seed: int = 0, official: bool = False) -> Path:
    """A work directory as a training leaves it."""
    from avmm.registry import MODELS
    from avmm.utils.config import load_config
    folder.mkdir()
    config = folder / 'run.py'
    config.write_text(CONFIG.format(type=kind, specific=specific, shared=shared, width=width, root=data.as_posix()))
    torch.manual_seed(seed)
    state = MODELS.build(load_config(config).model).state_dict()
    if official:
        state = {f'module.{name}': value for name, value in converter.to_official(state).items()}
    torch.save(state if official else dict(state_dict=state), folder / 'epoch_1.pth')
    table = np.zeros((3, 10))
    table[:2] = np.linspace(0.1, 0.9, 20).reshape(2, 10) + seed / 100
    np.savetxt(folder / 'result.csv', table, delimiter=',')
    return folder


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(path.open()))


def test_layers_of_all_clips_on_disk_and_in_memory(data, tmp_path):
    run = find_run(str(work_dir(data, tmp_path / 'run')))
    model = run.load()
    loader = open_split(run.cfg, 'test', batch_size=7)
    found = collect(model, loader)
    assert found.layers == [0, 1, 2, 3] and found.labels.tolist() == [i % CLASSES for i in range(CLIPS)]
    assert [x.shape for x in found.pair(2)] == [(CLIPS, 8)] * 2
    written = dump(model, loader, CLIPS, tmp_path / 'feat')
    for layer in found.layers:
        for ours, theirs in zip(found.pair(layer), written.pair(layer), strict=True):
            assert np.array_equal(ours, theirs)
    assert np.load(tmp_path / 'feat/3/video_rep_3.npy').shape == (CLIPS, CLASSES)
    assert read_dump(tmp_path / 'feat').accuracy() == found.accuracy()
    with pytest.raises(ConfigError, match='feat exists; choose another folder or pass --overwrite'):
        dump(model, loader, CLIPS, tmp_path / 'feat')
    with pytest.raises(DataError, match='25 clips were expected, 24 came'):
        dump(model, loader, CLIPS + 1, tmp_path / 'other')
    assert not (tmp_path / 'other').exists()
    with pytest.raises(DataError, match='holds no <layer>/audio_rep_<layer>.npy'):
        read_dump(tmp_path / 'run')


def test_published_analyses_do_not_normalise_the_features(data, tmp_path):
    run = find_run(str(work_dir(data, tmp_path / 'run')))
    raw, normalised = (open_split(run.cfg, 'test', norm).dataset[0]['inputs']['audio'] for norm in (False, True))
    torch.testing.assert_close(torch.nn.functional.normalize(raw, dim=1), normalised)
    assert not torch.allclose(raw, normalised)
    assert torch.equal(open_split(run.cfg, 'test', None).dataset[0]['inputs']['audio'], normalised)


def test_first_clips_of_each_class():
    assert first_of_each_class([0, 1, 0, 0, 1, 1], 2) == [0, 1, 2, 4]
    with pytest.raises(DataError, match='class 1 has 1 clips, 2 of each are asked for'):
        first_of_each_class([0, 0, 1], 2)


def test_probe_tells_modalities_apart_where_they_differ():
    rng = np.random.default_rng(0)
    audio, visual = rng.standard_normal((2, 200, 6)).astype(np.float32)
    assert probe(audio, visual).accuracy < 0.65
    apart = probe(audio, visual + np.float32([3, 0, 0, 0, 0, 0]))
    assert apart.accuracy > 0.85 and np.abs(apart.coefficients).argmax() == 0
    assert (np.diff(apart.curve) >= 0).all()
    with pytest.raises(ConfigError, match=r'got \(200, 6\) and \(199, 6\)'):
        probe(audio, visual[1:])


def test_differences_of_a_stream_are_those_of_the_whole(data, tmp_path):
    run = find_run(str(work_dir(data, tmp_path / 'run', shared=2)))
    model = run.load()
    streamed = mean_differences(attention_of(model, open_split(run.cfg, 'test', batch_size=7)))
    whole = next(attention_of(model, open_split(run.cfg, 'test', batch_size=CLIPS)))
    assert list(streamed) == [0, 1, 2]
    for block, value in streamed.items():
        expected = (whole[f'audio.{block}'] - whole[f'visual.{block}']).abs().mean()
        assert value == pytest.approx(float(expected), rel=1e-5)
    assert AttentionDifference().result() == {}


def test_no_map_outlives_its_batch():
    kept = []

    def batches():
        for _ in range(5):
            maps = {name: torch.rand(2, 1, 3, 3) for name in ('audio.0', 'visual.0')}
            # Of the batches before, at most the one that is being left is there.
            assert sum(ref() is not None for ref in kept) <= 1
            kept.append(weakref.ref(maps['audio.0']))
            yield maps

    first = attention_maps.FirstMaps(1)
    assert 0 < mean_differences(first.watch(batches()))[0] < 1
    assert len(kept) == 5 and first.arrays()['visual.0'].shape == (1, 1, 3, 3)
    assert first.maps['audio.0'][0].base is None


def test_picture_of_a_map():
    image = attention_image(torch.tensor([[[0.2, 0.8], [0.5, 0.5]]]))
    torch.testing.assert_close(image, torch.tensor([[1.25, 2.0]]))


def test_runs_and_their_settings(data, tmp_path):
    first, second = (work_dir(data, tmp_path / f'r{i}', seed=i) for i in (1, 2))
    third = work_dir(data, tmp_path / 'other', width=4, official=True)
    groups = group_runs([find_run(str(path)) for path in (first, second, third)])
    assert [(s.shared_channels, len(runs)) for s, runs in groups.items()] == [(4, 1), (8, 2)]
    with pytest.raises(DataError, match=r'1 of 2 repeats of unified 1\+1, S=4: other'):
        group_runs([run for runs in groups.values() for run in runs], 2)
    torch.save(dict(state_dict={}), first / 'best_accuracy_epoch_1.pth')
    assert find_run(str(first)).checkpoint.name == 'best_accuracy_epoch_1.pth'
    named = find_run(f'{first / "run.py"}:{second / "epoch_1.pth"}')
    assert named.name == 'epoch_1' and isinstance(named.load(), UAVM)
    # An official checkpoint is converted on the way.
    assert group_runs([find_run(str(third))]) and isinstance(find_run(str(third)).load(), UAVM)


@pytest.mark.parametrize(('make', 'error', 'message'), [
    (lambda p: p.mkdir(), ConfigError, 'neither a work directory with the config of its run nor CONFIG:CHECKPOINT'),
    (lambda p: (p.mkdir(), (p / 'a.py').write_text('model = dict(type="AVClassifier")')), ConfigError,
     'its model is none of UAVM, ModalityIndependentTransformer'),
    (lambda p: (p.mkdir(), (p / 'a.py').write_text('model = dict(type="UAVM")')), DataError, 'holds no checkpoint')])
def test_what_is_no_run(make, error, message, tmp_path):
    make(tmp_path / 'run')
    with pytest.raises(error, match=message):
        find_run(str(tmp_path / 'run'))
    with pytest.raises(DataError, match='none.pth: no such checkpoint'):
        find_run(f'{tmp_path}/a.py:none.pth')


def test_commands_from_checkpoints_to_tables_and_pictures(data, tmp_path, capsys):
    runs = [str(work_dir(data, tmp_path / f'uavm_r{i}', seed=i)) for i in (1, 2)]
    runs.append(str(work_dir(data, tmp_path / 'narrow', width=4, official=True)))
    out = tmp_path / 'out'
    common = ['--out-dir', str(out), '--batch-size', '10', '--device', 'cpu']
    modality_probe.main([*runs, *common, '--keep'])
    table = rows(out / 'modality_probe.csv')
    assert table[0] == ['run', 'layer 0', 'layer 1', 'layer 2'] and [row[0] for row in table[1:]] == [
        'narrow', 'uavm_r1', 'uavm_r2']
    assert all(0 <= float(cell) <= 1 for row in table[1:] for cell in row[1:])
    assert (out / 'figure_3.png').stat().st_size > 5000
    assert (out / 'representations/uavm_r1/0/audio_rep_0.npy').is_file()
    retrieval.main([*runs, *common, '--per-class', '3'])
    both = rows(out / 'retrieval.csv')
    # Three runs, two directions, four layers.
    assert len(both) == 1 + 3 * 2 * 4 and both[0] == ['run', 'direction', 'layer', 'R@1', 'R@5', 'R@10', 'median_rank']
    recall = next(row for row in both if row[:3] == ['uavm_r2', 'audio to video', '3'])
    assert rows(out / 'retrieval_r5.csv')[3][4] == recall[4] and rows(out / 'retrieval_r10.csv')[3][4] == recall[5]
    assert 'uavm_r1: 12 clips, layer 3' in capsys.readouterr().out
    assert (out / 'figure_4.png').stat().st_size > 5000


@pytest.mark.slow
def test_maps_of_the_layers(data, tmp_path):
    modality_probe.main([str(work_dir(data, tmp_path / 'run')), '--out-dir', str(tmp_path / 'out'), '--device', 'cpu',
                         '--tsne', '--tsne-iterations', '250', '--tsne-every', '2'])
    assert (tmp_path / 'out/figure_3d.png').stat().st_size > 5000


def test_attention_of_unified_and_joint_models(data, tmp_path):
    unified = str(work_dir(data, tmp_path / 'unified'))
    joint = str(work_dir(data, tmp_path / 'joint', 'CrossModalityTransformer'))
    out, pictures = tmp_path / 'out', tmp_path / 'pictures'
    pictures.mkdir()
    from PIL import Image
    Image.new('RGB', (8, 8), 'red').save(pictures / 'afeat0_audio.png')
    attention_maps.main([unified, joint, '--out-dir', str(out), '--batch-size', '10', '--clips', '2', '--save', '13',
                         '--pictures', str(pictures), '--device', 'cpu'])
    table = rows(out / 'attention_difference.csv')
    assert table[0] == ['run', 'block 0', 'block 1'] and [len(row) for row in table[1:]] == [2, 3]
    assert np.load(out / 'attmap/unified/video_attmap_1.npy').shape == (13, 2, 6, 6)
    assert np.load(out / 'attmap/joint/av_attmap_0.npy').shape == (13, 2, 12, 12)
    assert sorted(path.name for path in out.glob('figure_5*')) == [
        'figure_5_afeat0.png', 'figure_5_afeat1.png', 'figure_5_difference.png']


def test_performance_of_runs(data, tmp_path):
    runs = [str(work_dir(data, tmp_path / f'r{i}', seed=i)) for i in (1, 2)]
    runs.append(str(work_dir(data, tmp_path / 'joint', 'CrossModalityTransformer')))
    out = tmp_path / 'out'
    for versus, x in (('width', '8'), ('shared_depth', '1'), ('audio_prob', '0.3')):
        performance.main([*runs, '--versus', versus, '--out-dir', str(out)])
        table = rows(out / f'performance_{versus}.csv')
        assert [row[:3] for row in table[1:]] == [['r1', 'unified', x], ['r2', 'unified', x],
                                                  ['joint', 'cross-modality', x]]
        assert (out / f'figure_2_{versus}.png').stat().st_size > 5000
    last = np.loadtxt(Path(runs[0], 'result.csv'), delimiter=',')[1]
    assert [float(cell) for cell in table[1][3:]] == pytest.approx(last[[0, 3, 6]], rel=1e-5)
    with pytest.raises(DataError, match='result.csv: has 2 epochs, epoch 3 is asked for'):
        performance.main([*runs, '--epoch', '3', '--out-dir', str(out)])
    with pytest.raises(DataError, match='1 of 2 repeats of cross-modality with width 8'):
        performance.main([*runs, '--repeats', '2', '--out-dir', str(out)])


def test_dump_by_command(data, tmp_path, capsys):
    run = work_dir(data, tmp_path / 'run')
    representations.main([str(run), '--out', str(tmp_path / 'feat'), '--device', 'cpu'])
    printed = capsys.readouterr().out
    assert 'layer 3, video to audio: R@1' in printed and 'accuracy: audio' in printed
    assert len(read_dump(tmp_path / 'feat').layers) == 4


def test_pictures_of_published_values_alone(tmp_path):
    for tool, name in ((modality_probe, 'figure_3'), (retrieval, 'figure_4'), (attention_maps, 'figure_5_difference')):
        tool.main(['--out-dir', str(tmp_path), '--format', 'svg', '--device', 'cpu'])
        assert (tmp_path / f'{name}.svg').stat().st_size > 5000
