"""Cases of ``tcaf``: TCAF and AVCA, their losses, gradients and training steps."""
from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from mmengine.optim import build_optim_wrapper
from torch import Tensor

import projects.tcaf.tcaf.models  # noqa: F401
from avmm.models.attention import recorded_maps
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from projects.tcaf.tcaf.converter import TABLES

Arrays = dict[str, np.ndarray]
Options = dict[str, Any]
State = dict[str, Tensor]


def attention_of(options: Options) -> str:
    """Our name of the two switches of the attention."""
    kinds = tuple(bool(options[f'transformer_attention_use_{kind}_attention']) for kind in ('self', 'cross'))
    return {(False, True): 'cross', (True, False): 'self', (True, True): 'both', (False, False): 'unmasked'}[kinds]


def tcaf_config(options: Options) -> Options:
    """Config of a TCAF with the official options, without dropout."""
    position = {ours: options[f'transformer_embedding_{official}'] for ours, official in (
        ('embed_channels', 'dim'), ('time', 'time_embed_type'), ('scale', 'fourier_scale'),
        ('num_times', 'time_len'), ('modality', 'modality'))}
    transformer = {ours: options[f'transformer_{official}'] for ours, official in (
        ('depth', 'depth'), ('num_heads', 'heads'), ('head_channels', 'dim_head'), ('hidden_channels', 'mlp_dim'))}
    net = dict(dropout=0.0, hidden_norm=options['embeddings_batch_norm'])
    return dict(
        type='TCAF', in_channels=dict(audio=options['input_size_audio'], visual=options['input_size_video']),
        channels=options['transformer_dim'], embed_channels=options['dim_out'],
        encoder=(dict(net, hidden_channels=options['encoder_hidden_size'])
                 if options['transformer_use_embedding_net'] else None),
        position=dict(position, dropout=0.0), head=dict(net, hidden_channels=options['decoder_hidden_size']),
        transformer=dict(transformer, dropout=0.0, attention=attention_of(options)), word_dropout=0.0,
        loss_weights={name: float(bool(options[official])) for name, official in (
            ('loss_ce', 'cross_entropy_loss'), ('loss_reg', 'reg_loss'), ('loss_rec', 'rec_loss'))})


def avca_config(options: Options) -> Options:
    """Config of an AVCA with the official options, without dropout."""
    return dict(
        type='AVCA', in_channels=dict(audio=options['input_size_audio'], visual=options['input_size_video']),
        embed_channels=options['dim_out'], encoder=dict(hidden_channels=options['encoder_hidden_size'], dropout=0.0),
        projection=dict(hidden_channels=options['decoder_hidden_size'], dropout=0.0),
        transformer=dict(depth=options['depth_transformer']), word_dropout=0.0, momentum=options['momentum'],
        triplet_weights=(options['first_additional_triplet'], options['second_additional_triplet']),
        loss_weights=dict(loss_t=float(options['additional_triplets_loss']), loss_reg=float(options['reg_loss'])))


def filled(kind: str, config: Options, state: State, dtype: torch.dtype):
    """A model with official weights, in evaluation mode."""
    model = MODELS.build(config).to(dtype)
    model.load_state_dict(TABLES[kind].from_official(state))
    return model.eval()


def class_matrix(inputs: Arrays, dtype: torch.dtype) -> Tensor:
    words = torch.from_numpy(inputs['E']).to(dtype)
    return words / words.norm(dim=1, keepdim=True)


def samples_of(labels: np.ndarray) -> list[AVDataSample]:
    return [AVDataSample().set_gt_label(label) for label in labels]


def sequences(inputs: Arrays, words: Tensor, rates: list[float], step: int | None = None) -> dict[str, Any]:
    """A batch of padded clips, of one training step if ``step`` is given."""
    suffix, at = ('', slice(None)) if step is None else (f'.{step}', step)
    batch = dict(word=words[torch.from_numpy(inputs['labels'][at])])
    for m, official, scale, rate in (('audio', 'audio', 255, rates[0]), ('visual', 'video', 1, rates[1])):
        x = torch.from_numpy(inputs[f'{official}{suffix}']).to(words.dtype) * scale
        lengths = torch.from_numpy(inputs[f'len_{official}'][at])
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        # Officially, seconds are rounded before they are embedded.
        times = (torch.arange(x.shape[1], dtype=torch.float64) * rate).to(torch.float32)
        batch.update({m: x * mask[..., None], f'{m}_mask': mask.to(torch.float32),
                      f'{m}_time': times.expand(len(x), -1)})
    return dict(inputs=batch, data_samples=samples_of(inputs['labels'][at]))


def pairs(inputs: Arrays, words: Tensor, step: int | None = None) -> dict[str, Any]:
    """A batch of averaged features and their negatives."""
    suffix, at = ('', slice(None)) if step is None else (f'.{step}', step)

    def clips(end: str, labels: str) -> dict[str, Tensor]:
        a, v = (torch.from_numpy(inputs[f'{name}{end}{suffix}']).to(words.dtype) for name in 'av')
        return dict(audio=a, visual=v, word=words[torch.from_numpy(inputs[labels][at])])

    return dict(inputs=dict(clips('', 'labels'), negative=clips('n', 'neg_labels')),
                data_samples=samples_of(inputs['labels'][at]))


def sliced(kind: str, model, wanted: dict[str, str]) -> dict[str, Tensor]:
    """Outputs that are official tensors, or slices of them such as ``name[::5]``."""
    state, found = TABLES[kind].to_official(model.state_dict()), {}
    for output, place in wanted.items():
        name, index = re.fullmatch(r'([^\[]+)(?:\[(.*)\])?', place).groups()
        index = tuple(slice(*(int(n) if n.strip() else None for n in part.split(':'))) for part in index.split(',')
                      ) if index else ()
        found[output] = state[name][index]
    return found


def gradient_norms(kind: str, model, names: list[str]) -> Tensor:
    grads = TABLES[kind].to_official({
        name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in model.named_parameters()})
    return torch.stack([grads[name].norm() for name in names])


@torch.no_grad()
def tcaf_forward(meta: dict[str, Any], inputs: Arrays, state: State, dtype: torch.dtype) -> dict[str, Tensor]:
    options, words = meta['options'], class_matrix(inputs, dtype)
    model = filled('tcaf', tcaf_config(options['model']), state, dtype)
    batch = sequences(inputs, words, options['rates'])['inputs']
    with recorded_maps(model.map_sources()) as maps:
        _, outputs = model.outputs(batch)
    # Officially, the class token comes first.
    at, length = inputs['audio'].shape[1], maps['layer_0'].shape[1]
    order = [at, *(i for i in range(length) if i != at)]
    first, last = (maps[f'layer_{i}'][:, order][..., order] for i in (0, len(maps) - 1))
    return dict(outputs, attn_first_head0=first[:, :, 0], attn_last_sum=last.sum(2),
                emb_theta_o=model.embed(batch)['both'], emb_theta_w=model.embed_classes(words)['both'])


def tcaf_loss(meta: dict[str, Any], inputs: Arrays, state: State, dtype: torch.dtype) -> dict[str, Tensor]:
    options, words = meta['options'], class_matrix(inputs, dtype)
    model = filled('tcaf', tcaf_config(options['model']), state, dtype).train()
    model.set_classes(words, range(len(words)))
    batch = sequences(inputs, words, options['rates'])
    seen = []
    hook = model.project.register_forward_hook(lambda module, args, out: seen.append(out))
    losses = model(**batch, mode='loss')
    hook.remove()
    total, _ = model.parse_losses(losses)
    total.backward()
    return dict(terms_of(losses), total=total, theta_o=seen[0],
                grad_norms=gradient_norms('tcaf', model, options['grad_names']),
                **sliced('tcaf', model, options['slices']))


def terms_of(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: losses.get(f'loss_{name}', torch.zeros(())) for name in ('reg', 'rec', 'ce')}


def wrapper_of(model, options: Options, optimizer: str = 'adam'):
    """The optimiser of the published recipes."""
    adam = dict(type='Adam', lr=options['lr'], weight_decay=1e-5)
    kind = dict(adam=dict(type='OptimWrapper'), **{'adam-sam': dict(type='SAMOptimWrapper', rho=0.05)})[optimizer]
    return build_optim_wrapper(model, dict(kind, optimizer=adam))


def tcaf_train(meta: dict[str, Any], inputs: Arrays, state: State, dtype: torch.dtype) -> dict[str, Any]:
    options, words = meta['options'], class_matrix(inputs, dtype)
    config = dict(tcaf_config(options['model']), extra_bn_pass=options['extra_bn_pass'])
    model = filled('tcaf', config, state, dtype).train()
    model.set_classes(words, range(len(words)))
    wrapper = wrapper_of(model, options['model'], options['model']['optimizer'])
    batches = [sequences(inputs, words, options['rates'], step) for step in range(options['steps'])]
    logs = [model.train_step(batch, wrapper) for batch in batches]
    model.eval()
    with torch.no_grad():
        embedded = model.embed(batches[-1]['inputs'])['both']
        classes = model.embed_classes(words)['both']
    return dict(loss=torch.stack([log['loss'] for log in logs]).detach(), emb_theta_o=embedded, emb_theta_w=classes,
                terms_reg_rec_ce=torch.stack([torch.stack(list(terms_of(log).values())) for log in logs]).detach(),
                **sliced('tcaf', model, options['slices']))


def avca_forward(meta: dict[str, Any], inputs: Arrays, state: State, dtype: torch.dtype) -> dict[str, Any]:
    options, words = meta['options'], class_matrix(inputs, dtype)
    config = dict(avca_config(options['model']), train_positions=True, evaluate='each')
    model, batch = filled('avca', config, state, dtype), pairs(inputs, words)
    model.set_classes(words, range(len(words)))
    with torch.no_grad():
        ours, _ = model.outputs(batch['inputs'])
        embedded, classes = model.embed(batch['inputs']), model.embed_classes(words)['both']
        loss_eval, _ = model.parse_losses(model(**batch, mode='loss'))
    model.train()
    total, _ = model.parse_losses(model(**batch, mode='loss'))
    total.backward()
    return dict(emb_audio=embedded['audio'], emb_video=embedded['visual'], emb_word=classes,
                rho_a=ours['rho']['audio'][:, ::7], phi_attn=ours['attended'][..., ::11],
                phi_v_rec=ours['rec']['visual'][:, ::7], loss_eval=loss_eval, loss_train=total,
                grad_norms=gradient_norms('avca', model, options['grad_names']),
                **sliced('avca', model, options['slices']))


def avca_train(meta: dict[str, Any], inputs: Arrays, state: State, dtype: torch.dtype) -> dict[str, Any]:
    options, words = meta['options'], class_matrix(inputs, dtype)
    config = dict(avca_config(options['model']), evaluate='each', extra_bn_pass=options['extra_bn_pass'])
    model = filled('avca', config, state, dtype).train()
    model.set_classes(words, range(len(words)))
    wrapper = wrapper_of(model, options['model'])
    batches = [pairs(inputs, words, step) for step in range(options['steps'])]
    losses = [model.train_step(batch, wrapper)['loss'].detach() for batch in batches]
    model.eval()
    with torch.no_grad():
        embedded, classes = model.embed(batches[-1]['inputs']), model.embed_classes(words)['both']
    return dict(loss=torch.stack(losses), emb_audio=embedded['audio'], emb_video=embedded['visual'], emb_word=classes,
                **sliced('avca', model, options['slices']))


PARTS = dict(tcaf_forward_=tcaf_forward, tcaf_variant_=tcaf_forward, tcaf_loss_=tcaf_loss, tcaf_train5_=tcaf_train,
             avca_=avca_forward, avca_train5_=avca_train)
