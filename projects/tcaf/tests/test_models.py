"""TCAF, AVCA and the two designs of AVMM: shapes, padding, gradients, options, official checkpoints."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import CheckpointError, ConfigError, DataError
from benchmarks.tcaf_step import PlainTCAF
from projects.tcaf.tcaf.converter import TABLES
from projects.tcaf.tcaf.models import padding
from tools.model_converters import convert

BASES = Path(__file__).resolve().parents[1] / 'configs/_base_/models'
SEQUENCES = ('tcaf', 'attention_fusion', 'perceiver')
SMALL = dict(in_channels=dict(audio=6, visual=10), encoder=dict(hidden_channels=16))


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('avmm'):
        yield


def build(name: str, **changes):
    torch.manual_seed(0)
    cfg = Config.fromfile(BASES / f'{name}.py')
    small = dict(SMALL, transformer=dict(depth=2)) if name == 'tcaf' else SMALL
    cfg.merge_from_dict(dict(model=small))
    cfg.merge_from_dict(dict(model=changes))
    model = MODELS.build(cfg.model)
    model.set_classes(torch.nn.functional.normalize(torch.randn(4, 300), dim=1), [2, 3, 5, 7])
    return model


def sequences(lengths=((3, 5), (5, 2), (1, 8)), at_least=(0, 0)) -> dict:
    """Clips of these numbers of audio and visual steps, padded to the longest."""
    torch.manual_seed(1)
    inputs = dict(word=torch.randn(len(lengths), 300))
    for i, (m, width) in enumerate(dict(audio=6, visual=10).items()):
        longest = max(at_least[i], *(pair[i] for pair in lengths))
        mask = (torch.arange(longest) < torch.tensor([pair[i] for pair in lengths])[:, None]).float()
        x = torch.cat([torch.rand(pair[i], width) for pair in lengths])
        padded = torch.zeros(len(lengths), longest, width)
        padded[mask > 0] = x * (255 if m == 'audio' else 1)
        times = torch.arange(longest).double().repeat(len(lengths), 1)
        inputs.update({m: padded, f'{m}_mask': mask, f'{m}_time': times})
    return dict(inputs=inputs, data_samples=[AVDataSample().set_gt_label((2, 5, 7)[i]) for i in range(len(lengths))])


def pairs(size: int = 4) -> dict:
    torch.manual_seed(1)
    clips = [dict(audio=torch.rand(size, 6), visual=torch.rand(size, 10), word=torch.randn(size, 300)) for _ in '+-']
    return dict(inputs=dict(clips[0], negative=clips[1]),
                data_samples=[AVDataSample().set_gt_label((2, 7)[i % 2]) for i in range(size)])


@pytest.mark.parametrize('name', [*SEQUENCES, 'avca'])
def test_training_and_prediction(name):
    model, batch = build(name), pairs() if name == 'avca' else sequences()
    model.train()
    total, log = model.parse_losses(model(**batch, mode='loss'))
    total.backward()
    assert len(log) == (5 if name == 'avca' else 4) and total.isfinite()
    assert {n for n, p in model.named_parameters() if p.requires_grad and p.grad is None} == set()
    samples = model.eval().test_step(batch)
    assert samples[0].gzsl_distances['both'].shape == (4, )
    alone = model.unimodal_logits(model.extract_feat(batch['inputs']))
    assert {m: z.shape for m, z in alone.items()} == dict.fromkeys(('audio', 'visual'), (len(samples), 4))


@pytest.mark.parametrize('name', SEQUENCES)
def test_padding_changes_nothing_in_evaluation(name):
    model = build(name).eval()
    with torch.no_grad():
        short, longer = (model(sequences(at_least=n)['inputs']) for n in ((0, 0), (9, 11)))
    torch.testing.assert_close(short, longer)


@pytest.mark.parametrize('worth', [-1.0, 1.1])
def test_training_gradients_are_those_of_the_plain_program(monkeypatch, worth):
    monkeypatch.setattr(padding, '_WORTH', worth)
    torch.manual_seed(0)
    plain = PlainTCAF('cls_ucf', drop=False, in_channels=(6, 10)).double().train()
    model = build('tcaf', encoder=dict(hidden_channels=512, dropout=0.0), position=dict(dropout=0.0), word_dropout=0.0,
                  head=dict(dropout=0.0), transformer=dict(depth=6, dropout=0.0)).double().train()
    model.load_state_dict(TABLES['tcaf'].from_official(plain.state_dict()))
    batch = sequences()
    x = {k: v.double() for k, v in batch['inputs'].items()}
    labels = model.class_rows(batch['data_samples'])
    theirs = dict(audio=x['audio'], video=x['visual'], masks=(x['audio_mask'], x['visual_mask']), label=labels,
                  times=(x['audio_time'], x['visual_time']), word=x['word'])
    sum(plain.losses(theirs, model.words_of_classes)).backward()
    model.parse_losses(model(x, batch['data_samples'], mode='loss'))[0].backward()
    ours = TABLES['tcaf'].to_official({n: p.grad for n, p in model.named_parameters()})
    for name, p in plain.named_parameters():
        torch.testing.assert_close(ours[name], p.grad, rtol=1e-5, atol=1e-10, msg=lambda text, n=name: f'{n}: {text}')
    assert ours['position_encoder_block.pad_embedding.weight'].eq(0).all()
    torch.testing.assert_close(model.encoders['visual'].fc[5].running_var, plain.V_enc.fc[5].running_var)


def test_seconds_where_clips_are_embedded():
    index, seconds = build('tcaf').eval(), build('tcaf', embed_time='seconds').eval()
    inputs = sequences()['inputs']
    with torch.no_grad():
        assert index(inputs).equal(seconds(inputs))
        halved = dict(inputs, visual_time=inputs['visual_time'] / 2)
        assert index(halved).equal(index(inputs)) and not seconds(halved).equal(index(inputs))
        del halved['visual_time']
        with pytest.raises(DataError, match=r"needs inputs\['visual_time'\]"):
            seconds(halved)


def test_one_modality():
    model = build('tcaf', in_channels=dict(_delete_=True, audio=6), transformer=dict(attention='both')).eval()
    assert model(sequences()['inputs']).shape == (3, 64) and 'visual' not in model.encoders


@pytest.mark.parametrize(('changes', 'match'), [
    (dict(transformer=dict(attention='neither')), "attention='neither' is unknown"),
    (dict(transformer=dict(depth=0)), 'depth=0 must be 1 or more'),
    (dict(position=dict(time='cosine')), "time='cosine' is unknown"),
    (dict(position=dict(embed_channels=7)), 'embed_channels=7 must be even'),
    (dict(in_channels=dict(_delete_=True, audio=6)), "with audio alone, attention='cross'"),
    (dict(in_channels=dict(text=6)), 'in_channels has audio, visual, text'),
    (dict(channels=256), 'loss_rec compares the decoded clip with word vectors of 300'),
    (dict(loss_weights=dict(loss_ce=0, loss_reg=0, loss_rec=0)), 'all loss_weights are 0'),
    (dict(loss_weights=dict(loss_w=1)), 'loss_weights has loss_w'),
    (dict(embed_time='minutes'), "embed_time='minutes' is unknown"),
])
def test_options_that_cannot_be(changes, match):
    with pytest.raises(ConfigError, match=match):
        build('tcaf', **changes)


def test_fixed_times_end():
    model = build('tcaf', position=dict(time='fixed', num_times=5)).eval()
    with pytest.raises(ConfigError, match='a step at time 7 lies beyond num_times=5'):
        model(sequences()['inputs'])


def test_avca_needs_negatives_and_tells_what_it_evaluates():
    model, batch = build('avca', evaluate='each').eval(), pairs()
    found = model.test_step(batch)[0].gzsl_distances
    torch.testing.assert_close(found['both'], found['audio'] + found['visual'])
    assert model.positions.requires_grad is False
    del batch['inputs']['negative']
    with pytest.raises(DataError, match=r"inputs\['negative'\] is missing"):
        model(**batch, mode='loss')
    with pytest.raises(ConfigError, match="evaluate='text' is unknown"):
        build('avca', evaluate='text')


@pytest.mark.parametrize('kind', ['tcaf', 'avca'])
def test_official_checkpoints_come_back(tmp_path, kind):
    official = TABLES[kind].to_official(build(kind).state_dict())
    # As written on several GPUs, with what else such a file holds.
    torch.save(dict(epoch=3, model={f'module.{n}': v for n, v in official.items()}, optimizer={}, metric='score'),
               tmp_path / 'official.pt')
    convert.main(['--project', 'tcaf', '--kind', kind, str(tmp_path / 'official.pt'), str(tmp_path / 'ours.pth'),
                  '--keep-unused'])
    ours = torch.load(tmp_path / 'ours.pth', weights_only=True)
    build(kind).load_state_dict(ours['state_dict'])
    convert.main(['--project', 'tcaf', '--kind', kind, str(tmp_path / 'ours.pth'), str(tmp_path / 'back.pt'),
                  '--to-official'])
    before, after = (torch.load(tmp_path / name, weights_only=True) for name in ('official.pt', 'back.pt'))
    assert list(after) == list(before) and after['epoch'] == 3 and list(after['model']) == list(before['model'])
    assert all(torch.equal(value, after['model'][name]) for name, value in before['model'].items())


def test_both_names_of_the_embedding_block():
    official = TABLES['tcaf'].to_official(build('tcaf').state_dict())
    block = {n: v for n, v in official.items() if n.startswith('position_encoder_block.')}
    alias = {n: v for n, v in official.items() if not n.startswith('position_encoder_block.')}
    assert block and TABLES['tcaf'].from_official(alias).keys() == TABLES['tcaf'].from_official(official).keys()
    name = 'audiovisual_embeddings.fourier_randn'
    with pytest.raises(CheckpointError, match=f'{name} differs from its copy'):
        TABLES['tcaf'].from_official({**official, name: official[name] + 1})
    missing = {n: v for n, v in official.items() if not n.endswith('layers.1.attn.to_k.weight')}
    with pytest.raises(CheckpointError, match='layers.1.attn.to_k.weight is missing'):
        TABLES['tcaf'].from_official(missing)
