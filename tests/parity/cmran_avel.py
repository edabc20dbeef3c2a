"""Cases of ``cmran``: the audio-guided networks of AVE and its cross-modality matching."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from harness import Unclaimed
from mmengine.optim import build_optim_wrapper
from torch import Tensor

import projects.cmran.cmran  # noqa: F401
from avmm.evaluation.functional import localize_by_distance
from avmm.models.attention import recorded_maps
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from projects.cmran.cmran.avel_converter import (
    avel_from_official,
    avel_to_official,
    matching_from_keras,
    matching_from_official,
    matching_to_official,
)

Arrays = dict[str, np.ndarray]
WEAK = 'weak'


def build_net(meta: dict[str, Any], dtype: str, num_cells: int = 49):
    """The network of a case: its kind, and the widths that its official constructor got."""
    kind = meta['options'].get('model') or meta['case'].split('_')[1]
    arguments = meta['options'].get('arguments', [128, 128, 512, 29])
    _, hidden, width, classes, *rounds = arguments
    dmrn = kind.startswith('dmrn')
    head = dict(type='WeakAVELHead' if kind == WEAK else 'AVELHead', num_events=classes - 1)
    if dmrn:
        head['hidden_channels'] = None
    return MODELS.build(dict(type='AVELNet', head=head, fusion='dmrn' if dmrn else 'concat', hidden=hidden,
                             num_rounds=rounds[0] if rounds else 1, attention_channels=width, num_cells=num_cells,
                             dtype=dtype))


def filled_net(meta: dict[str, Any], state: Arrays, dtype: str):
    """The network of a case with the official tensors."""
    net = build_net(meta, dtype, num_cells=state['affine_v.weight'].shape[0])
    net.load_state_dict(avel_from_official({name: torch.as_tensor(value) for name, value in state.items()}))
    return net


def as_inputs(inputs: Arrays, suffix: str = '') -> dict[str, Tensor]:
    """Features of a batch."""
    return {m: torch.as_tensor(inputs[m + suffix]) for m in ('audio', 'visual')}


def as_samples(labels: np.ndarray) -> list[AVDataSample]:
    """Samples with classes of segments (one-hot ``(B, S, C)``) or of videos (``(B, C)``)."""
    if labels.ndim == 3:
        return [AVDataSample().set_gt_segments(row).set_gt_label(row.min()) for row in labels.argmax(-1)]
    return [AVDataSample().set_gt_score(torch.as_tensor(row)) for row in labels]


def official_norms(named: dict[str, Tensor], names: list[str], to_official) -> np.ndarray:
    """Norms of tensors under our names, in the order of official ``names``."""
    official = to_official(named)
    return np.array([official[name].norm().item() for name in names])


def forward(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Attention, attended cells, both LSTMs, probabilities; of the weak network the scores of segments too."""
    net = filled_net(meta, state, dtype).eval()
    batch = net.cast(as_inputs(inputs))
    with torch.no_grad(), recorded_maps(net.map_sources()) as maps:
        attended = net.attention(batch['audio'], batch['visual'])
        feats = net.extract_feat(batch)
        outputs = net.head(net.fuse_segments(feats), feats)
        found = net.head.predict(outputs)
    return dict(att=maps['spatial'].flatten(2), attended_visual=attended[..., ::7],
                lstm_audio=feats['audio'][..., ::5], lstm_video=feats['visual'][..., ::5],
                prob=found.scores, video_prob=found.video, score=outputs['scores'])


def loss_and_gradients(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The loss and norms of its gradients."""
    net = filled_net(meta, state, dtype).train()
    total, _ = net.parse_losses(net(as_inputs(inputs), as_samples(inputs['labels']), mode='loss'))
    total.backward()
    grads = {name: p.grad for name, p in net.named_parameters()}
    return dict(loss=total, grad_norms=official_norms(grads, meta['options']['grad_names'], avel_to_official))


def trajectory(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Some steps of Adam, and the predictions after them."""
    options = meta['options']
    net = filled_net(meta, state, dtype).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    wrapper = build_optim_wrapper(net, dict(type='OptimWrapper', optimizer=dict(
        type=options['optimizer'], lr=options['lr'])))
    losses = [float(net.train_step(dict(inputs=as_inputs(inputs, f'.{i}'), data_samples=as_samples(
        inputs[f'labels.{i}'])), wrapper)['loss'].detach()) for i in count(inputs, 'labels.')]
    moved = {name: value - before[name] for name, value in net.state_dict().items()}
    with torch.no_grad():
        feats = net.eval().extract_feat(net.cast(as_inputs(inputs, '.0')))
        outputs = net.head(net.fuse_segments(feats), feats)
        final = outputs['scores'] if options['model'] == WEAK else net.head.predict(outputs).scores
    return dict(losses=np.array(losses), final=final,
                delta_norms=official_norms(moved, options['delta_names'], avel_to_official))


def initial_distribution(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Spread and largest value of the tensors of a new network."""
    torch.manual_seed(meta['seed'])
    official = avel_to_official(build_net(meta, dtype).state_dict())
    values = [official[name].double() for name in meta['options']['names']]
    return dict(std=np.array([v.std(correction=0).item() for v in values]),
                absmax=np.array([v.abs().max().item() for v in values]))


def count(inputs: Arrays, prefix: str) -> range:
    """Numbers of the batches of a case."""
    return range(sum(name.startswith(prefix) for name in inputs))


def build_matching(weights: dict[str, Tensor], dtype: str, margin: float = 2.0):
    """The matching network with the given weights, of the widths that they have."""
    audio, visual = (weights[f'branches.{m}.0.weight'] for m in ('audio', 'visual'))
    net = MODELS.build(dict(
        type='CrossModalMatching', in_channels=dict(audio=audio.shape[1], visual=visual.shape[1]),
        hidden=visual.shape[0], channels=weights['branches.visual.2.weight'].shape[0],
        loss=dict(type='ContrastiveLoss', margin=margin))).to(getattr(torch, dtype))
    net.load_state_dict(weights)
    return net


def matching_from_state(state: Arrays) -> dict[str, Tensor]:
    """Our weights from the official ones."""
    return matching_from_official({name: torch.as_tensor(value) for name, value in state.items()})


def as_pairs(inputs: Arrays, suffix: str, scale: float = 1.0) -> dict[str, Tensor]:
    """Each pair as a video of one segment."""
    return {m: scale * torch.as_tensor(inputs[name + suffix])[:, None]
            for m, name in (('audio', 'audio'), ('visual', 'video'))}


def embeddings(net, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Distances of pairs, and the embeddings that they are between."""
    feats = net.extract_feat(batch)
    return dict(distance=net.fuse(feats).detach(), video_embedding=feats['visual'][:, 0].detach(),
                audio_embedding=feats['audio'][:, 0].detach())


def matching_trajectory(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Some steps of the Adam of Keras; distances and gradients of the first."""
    options = meta['options']
    net = build_matching(matching_from_state(state), dtype, options['margin']).train()
    wrapper = build_optim_wrapper(net, dict(type='OptimWrapper', optimizer=dict(type='KerasAdam', lr=options['lr'])))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    outputs = embeddings(net, as_pairs(inputs, '.0', options['input_scale']))
    grads: list[dict[str, Tensor]] = []
    wrapper.optimizer.register_step_pre_hook(
        lambda *_: grads.append({name: p.grad.clone() for name, p in net.named_parameters()}))
    losses = []
    for i in count(inputs, 'labels.'):
        samples = [AVDataSample().set_gt_mask(row) for row in inputs[f'labels.{i}']]
        batch = dict(inputs=as_pairs(inputs, f'.{i}', options['input_scale']), data_samples=samples)
        losses.append(float(net.train_step(batch, wrapper)['loss'].detach()))
    moved = {name: value - before[name] for name, value in net.state_dict().items()}
    return dict(losses=np.array(losses), **outputs,
                grad_norms=official_norms(grads[0], options['grad_names'], matching_to_official),
                delta_norms=official_norms(moved, options['delta_names'], matching_to_official))


def official_weights(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The released weights of Keras."""
    options = meta['options']
    arrays = {name: value for name, value in inputs.items() if name.endswith(('.kernel', '.bias'))}
    net = build_matching(matching_from_keras(arrays, options['video_layers'], options['audio_layers']), dtype)
    return embeddings(net, as_pairs(inputs, ''))


def localization(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The windows that the smallest distances find, both ways."""
    net = build_matching(matching_from_state(state), dtype).eval()
    samples = [AVDataSample().set_gt_mask(row) for row in inputs['labels']]
    with torch.no_grad():
        net(dict(audio=torch.as_tensor(inputs['audio']), visual=torch.as_tensor(inputs['video'])), samples, 'predict')
    distance = torch.stack([s.pred_distance for s in samples])
    outputs: Arrays = {}
    for way in ('a2v', 'v2a'):
        every = localize_by_distance(distance, inputs['labels'], way)
        rows = every.evaluated(skip_full=True)
        found = every.select(rows)
        outputs |= {way: every.accuracy(skip_full=True, percent=True), f'{way}_mask': found.windows.astype(float),
                    f'{way}_hits': found.covered.sum(), 'count': rows.sum(), 'evaluated': rows.nonzero()[0],
                    'event_seconds': found.length.sum()}
    return outputs


NET_PARTS = {'forward': forward, 'loss_grad': loss_and_gradients, 'traj': trajectory, 'init': initial_distribution}


def network(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """A case of one of the audio-guided networks, ``avel_<kind>_<part>``."""
    for name, part in NET_PARTS.items():
        if name in meta['case']:
            return part(meta, inputs, state, dtype)
    raise Unclaimed(f'no part of the adapter claims the case {meta["case"]!r}')


PARTS = {
    'avel_': network, 'avel_cmm_traj': matching_trajectory, 'avel_cmm_localize': localization,
    'avel_cmm_official_weights': official_weights,
}
