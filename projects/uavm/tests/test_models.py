"""The three transformers: sizes, layers, maps, losses, official checkpoints, export."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import CheckpointError, ConfigError, DataError
from projects.uavm.uavm import converter
from projects.uavm.uavm.models import UAVM, CrossModalityTransformer, ModalityIndependentTransformer
from tools.model_converters import convert

BASES = Path(__file__).resolve().parents[1] / 'configs/_base_/models'
CLASSES = (UAVM, ModalityIndependentTransformer, CrossModalityTransformer)
SMALL = dict(num_classes=5, channels=16, num_heads=2, num_steps=6, in_channels=12, specific_depth=2, shared_depth=1)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('avmm'):
        yield


def build(kind, **changes):
    torch.manual_seed(0)
    return kind(**{**SMALL, **changes})


def features(size: int = 3, width: int = 12) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {m: torch.randn(size, 6, width, generator=generator) for m in ('audio', 'visual')}


def samples(size: int = 3) -> list[AVDataSample]:
    return [AVDataSample().set_gt_score(torch.full((5, ), 0.1)).set_gt_label(1) for _ in range(size)]


@pytest.mark.parametrize(('config', 'changes', 'classes', 'parameters', 'entries'), [
    ('uavm', {}, 309, 117_541_791, 126), ('uavm', {}, 527, 118_212_141, 126),
    ('uavm_independent', {}, 309, 154_557_652, 158), ('uavm_independent', {}, 527, 155_451_452, 158),
    ('uavm', dict(specific_depth=0, shared_depth=6), 309, 79_063_349, 83),
    ('uavm', dict(specific_depth=0, shared_depth=6), 527, 79_286_799, 83),
    ('uavm', dict(shared_channels=16), 309, 78_395_103, 126), ('uavm', dict(shared_channels=16), 527, 78_845_709, 126),
    ('independent', {}, 309, 156_722_388, 168), ('independent', {}, 527, 157_616_188, 168),
    ('cross_modality', {}, 309, 117_572_511, 126), ('cross_modality', {}, 527, 118_242_861, 126)])
def test_sizes_are_the_published_ones(config, changes, classes, parameters, entries):
    cfg = Config.fromfile(BASES / f'{config}.py')
    cfg.merge_from_dict(dict(model=dict(changes, num_classes=classes)))
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.state_dict()) == entries


def test_audio_extractor_of_the_config():
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(BASES / 'audio_extractor.py').model)
    assert len(model.state_dict()) == 344
    assert model.encoders['audio'].net.features[0][0].weight.shape == (128, 1, 4, 4)
    assert model.fusion.fc_out.weight.shape == (309, 1024)


@pytest.mark.parametrize('kind', CLASSES)
@pytest.mark.parametrize('depths', [(2, 1), (0, 2), (2, 0)])
def test_layers_of_one_forward(kind, depths):
    joint = kind is CrossModalityTransformer
    model = build(kind, specific_depth=depths[0], shared_depth=depths[1], shared_channels=8).eval()
    if joint and not depths[1]:
        with pytest.raises(ConfigError, match='shared_depth=0 has no joint part and so no logits'):
            model(features())
        return
    calls = []
    for module in model.modules():
        if type(module).__name__ == 'Block':
            module.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        layers = model.layer_feats(features())
        passed = len(calls)
        logits = model(features())
        feats = model.extract_feat(features())
    assert passed == 2 * depths[0] + (1 if joint else 2) * depths[1]
    last = sum(depths) + 1
    if joint:
        torch.testing.assert_close(layers['joint'][last], logits)
        return
    for m in ('audio', 'visual'):
        assert list(layers[m]) == list(range(last + 1))
        widths = [16] * (depths[0] + 1) + [8] * depths[1] if depths[0] else [8] * (depths[1] + 1)
        assert [layers[m][k].shape for k in range(last)] == [(3, 6, width) for width in widths]
        if depths[0]:
            torch.testing.assert_close(layers[m][depths[0]], feats[m])
    torch.testing.assert_close((layers['audio'][last] + layers['visual'][last]) / 2, logits)
    assert list(model.layer_feats(features(), [0, 2])['audio']) == [0, 2]
    with pytest.raises(ConfigError, match=f'has the layers 0 .input. to {last} .logits.; there is no layer 9'):
        model.layer_feats(features(), [9])


@pytest.mark.parametrize('kind', CLASSES)
def test_maps_with_norm_are_those_that_the_blocks_use(kind):
    model = build(kind).eval()
    seen = []
    for module in model.modules():
        if type(module).__name__ == 'SelfAttention':
            module.register_forward_hook(lambda module, args, out: seen.append(module.weights(args[0])))
    with torch.no_grad():
        model(features())
        used = list(seen)
        maps, published = model.attention_maps(features(), pre_norm=True), model.attention_maps(features())
    steps = {6, 12} if kind is CrossModalityTransformer else {6}
    assert {x.shape[-1] for x in maps.values()} == steps
    for values in maps.values():
        torch.testing.assert_close(values.sum(-1), torch.ones(values.shape[:-1]))
        # In a forward, both modalities pass the branches before the upper part.
        assert any(values.shape == x.shape and torch.allclose(values, x, atol=1e-6) for x in used)
    assert not any(torch.allclose(maps[name], published[name], atol=1e-4) for name in maps)


def test_modality_of_a_batch_trains_its_branch_alone():
    model = build(UAVM).train()
    losses = model(dict(audio=features()['audio']), samples(), mode='loss')
    assert list(losses) == ['loss_audio']
    losses['loss_audio'].backward()
    grads = {name: p.grad is not None for name, p in model.named_parameters()}
    assert not any(has for name, has in grads.items() if name.startswith('branches.visual'))
    assert grads['branches.audio.blocks.0.attn.qkv.weight'] and grads['shared.mlp_head.1.weight']
    assert grads['branches.audio.in_proj.weight'] and not grads['branches.audio.mlp_head.1.weight']
    assert model.step.logits is None and list(model.step.feats) == ['audio']


def test_both_modalities_at_once_have_the_mean_of_the_losses():
    model = build(UAVM).train()
    alone = [model({m: x}, samples(), mode='loss')[f'loss_{m}'] for m, x in features().items()]
    both = model(features(), samples(), mode='loss')
    torch.testing.assert_close(both['loss_audio'] + both['loss_visual'], sum(alone) / 2)


def test_unused_tensors_are_left_out_of_training_unless_told_otherwise():
    model = build(UAVM, in_channels=16)
    unused = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert sorted({name.rpartition('.')[0] for name in unused}) == sorted(
        [f'branches.{m}.{layer}' for m in ('audio', 'visual') for layer in ('in_proj', 'mlp_head.0', 'mlp_head.1')]
        + ['shared.in_proj'])
    model.train()(features(width=16), samples(), mode='loss')['loss_audio'].backward()
    assert all(p.grad is None for name, p in model.named_parameters() if name in unused)
    assert all(p.requires_grad for p in build(UAVM, freeze_unused=False).parameters())


def test_predictions_are_logits_or_probabilities():
    model = build(UAVM).eval()
    with torch.no_grad():
        logits = model(features())
        found = model(features(), samples(), mode='predict')
        model.scores = 'probabilities'
        shares = model(features(), samples(), mode='predict')
    torch.testing.assert_close(torch.stack([s.pred_score for s in found]), logits)
    torch.testing.assert_close(sum(found[0].unimodal_scores.values()) / 2, logits[0])
    torch.testing.assert_close(shares[1].pred_score, logits[1].softmax(-1))
    alone = build(UAVM, loss=dict(type='BCELoss'), scores='probabilities').eval()(
        dict(visual=features()['visual'].half()), samples(), mode='predict')
    assert torch.equal(alone[0].pred_score, alone[0].unimodal_scores['visual'])
    assert list(alone[0].unimodal_scores) == ['visual']


def test_answers_are_the_scores_of_the_predictions():
    model = build(UAVM, scores='probabilities').eval()
    with torch.no_grad():
        answers, found = model.answers(features()), model(features(), samples(), mode='predict')
        joint = build(CrossModalityTransformer).eval().answers(features())
    assert list(answers) == ['joint_scores', 'audio_scores', 'visual_scores'] and list(joint) == ['joint_scores']
    torch.testing.assert_close(answers['joint_scores'], torch.stack([s.pred_score for s in found]))


def test_one_modality_in_the_joint_part():
    model = build(CrossModalityTransformer).eval()
    with pytest.raises(ConfigError, match='has 12 positions for both modalities together; set sub_positions=True'):
        model.layer_feats(features(), [3])
    with pytest.raises(ConfigError, match='attends over both modalities; visual is missing'):
        model(dict(audio=features()['audio']))
    assert 'unimodal_scores' not in model(features(), samples(), mode='predict')[0]
    model.sub_positions = True
    with torch.no_grad():
        layers = model.layer_feats(features())
        alone = model(features(), samples(), mode='predict')[0].unimodal_scores
        # The positions of the visual steps come after those of the audio steps.
        places = model.shared.pos_embed
        visual = model.shared.embed(layers['visual'][2]) - places[:, :6] + places[:, 6:]
        state = model.shared.blocks[0](visual)
    torch.testing.assert_close(layers['visual'][3], state)
    torch.testing.assert_close(alone['audio'], layers['audio'][4][0])


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(num_heads=3), 'a width of 16 channels cannot be divided among num_heads=3'),
    (dict(specific_depth=0, shared_depth=0), 'it needs at least one block'),
    (dict(scores='odds'), "UAVM.scores is 'odds'; it must be 'logits' or 'probabilities'"),
    (dict(in_channels=dict(audio=4)), 'UAVM.in_channels is for audio; name audio and visual')])
def test_options_that_make_no_sense(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(UAVM, **changes)


def test_inputs_that_do_not_fit():
    model = build(UAVM)
    with pytest.raises(DataError, match=r'the audio features have the shape \(1, 7, 12\).*num_steps=6'):
        model(dict(audio=torch.zeros(1, 7, 12)))
    with pytest.raises(ConfigError, match=r"the inputs hold \['text'\]"):
        model(dict(text=torch.zeros(1)))
    with pytest.raises(DataError, match='some samples of the batch lack visual'):
        model(dict(features(), present=dict(visual=torch.tensor([True]))))
    with pytest.raises(ConfigError, match="mode is 'features'"):
        model(features(), mode='features')


def official_of(kind, prefix: str = 'module.', **changes) -> dict[str, torch.Tensor]:
    state = build(kind, **changes).state_dict()
    names = 'independent' if kind is ModalityIndependentTransformer else 'uavm'
    return {prefix + name: value for name, value in converter.to_official(state, names).items()}


@pytest.mark.parametrize(('kind', 'changes', 'names'), [
    (UAVM, {}, ['a_trans.pos_embed', 's_trans.mlp_head.1.bias']),
    (UAVM, dict(shared_depth=0), ['v_trans.blocks.1.attn.qkv.weight', 'a_mlp.1.weight']),
    (UAVM, dict(specific_depth=0), ['a_in_proj.0.weight', 'v_in_proj.1.bias']),
    (ModalityIndependentTransformer, {}, ['v_s_trans.in_layernorm.weight']),
    (CrossModalityTransformer, {}, ['s_trans.pos_embed'])])
def test_official_checkpoints_there_and_back(kind, changes, names, tmp_path):
    official = official_of(kind, **changes)
    assert {f'module.{name}' for name in names} <= set(official)
    torch.save(official, tmp_path / 'official.pth')
    which = ['--kind', 'independent'] if kind is ModalityIndependentTransformer else []
    convert.main(['--project', 'uavm', *which, str(tmp_path / 'official.pth'), str(tmp_path / 'ours.pth')])
    model = build(kind, **changes)
    for p in model.parameters():
        torch.nn.init.zeros_(p)
    model.load_state_dict(torch.load(tmp_path / 'ours.pth')['state_dict'])
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'trained.pth')
    convert.main(['--project', 'uavm', *which, str(tmp_path / 'trained.pth'), str(tmp_path / 'back.pth'),
                  '--to-official'])
    back = torch.load(tmp_path / 'back.pth')
    assert list(back) == list(official)
    assert all(torch.equal(back[name], value) for name, value in official.items())


def test_foreign_tensors_are_refused():
    with pytest.raises(CheckpointError, match='conv1.weight'):
        converter.from_official({'module.conv1.weight': torch.zeros(1)})


@pytest.mark.slow
@pytest.mark.parametrize('kind', CLASSES)
def test_export(kind):
    model = build(kind).eval()
    batch = torch.export.Dim('batch', min=1, max=64)
    program = torch.export.export(model, (features(), ), dynamic_shapes=(dict(audio={0: batch}, visual={0: batch}), ))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(features(5)), model(features(5)))
