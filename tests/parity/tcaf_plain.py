"""The training of TCAF and AVCA as plain programs of stock operations, which share no model with ``avmm``.

They decide what the parity cases cannot: Adam makes a gradient that is rounding noise a step as long as any other, and
so two ways of rounding end with other embeddings. In float64 the noise is too small for that, and a plain program and
the model have to agree.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch
from tcaf_model import class_matrix, pairs, sequences
from torch import Tensor, nn

from benchmarks import tcaf_step

Arrays = dict[str, np.ndarray]
Options = dict[str, Any]
#: Options of TCAF that the plain program takes as given.
GIVEN = dict(
    dim_out=64, cross_entropy_loss=True, reg_loss=True, rec_loss=True, decoder_hidden_size=512,
    embeddings_batch_norm=True, transformer_use_embedding_net=True, transformer_dim=300, transformer_mlp_dim=128,
    transformer_embedding_dim=64, transformer_embedding_time_embed_type='sinusoid',
    transformer_embedding_modality=True, transformer_attention_use_self_attention=False,
    transformer_attention_use_cross_attention=True)


def tcaf(meta: Options, inputs: Arrays, state: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The embeddings after training; nothing where the case has other options than the published recipes."""
    options, words = meta['options'], class_matrix(inputs, dtype)
    settings, extra = options['model'], options['extra_bn_pass']
    if any(settings[name] != value for name, value in GIVEN.items()):
        return {}
    transformer = (settings[f'transformer_{name}'] for name in ('depth', 'heads', 'dim_head'))
    recipe = (settings['lr'], settings['encoder_hidden_size'], *[0] * 5, *transformer,
              settings['input_size_audio'], settings['input_size_video'], *options['rates'])
    with mock.patch.dict(tcaf_step.RECIPES, case=recipe):
        model = tcaf_step.PlainTCAF('case').to(dtype).train()
    block = 'position_encoder_block.'
    model.load_state_dict(state | {name.replace(block, 'audiovisual_embeddings.'): value
                                   for name, value in state.items() if name.startswith(block)})
    step = {'adam': one_pass, 'adam-sam': two_passes}[settings['optimizer']]
    optimizer = torch.optim.Adam(model.parameters(), lr=settings['lr'], weight_decay=1e-5)
    for number in range(options['steps']):
        batch = sequences(inputs, words, options['rates'], number)['inputs']
        batch = dict(word=batch['word'], audio=batch['audio'], video=batch['visual'],
                     masks=(batch['audio_mask'].to(dtype), batch['visual_mask'].to(dtype)),
                     times=(batch['audio_time'], batch['visual_time']),
                     label=torch.from_numpy(inputs['labels'][number]))
        set_momentum(model, 0.1)
        step(model, optimizer, lambda batch=batch: sum(model.losses(batch, words)))
        clips = batch['audio'], batch['video'], batch['masks'], (None, None)
        if extra:
            with torch.no_grad():
                model.embed(*clips)
                model.W_proj(batch['word'])
    model.eval()
    with torch.no_grad():
        return dict(emb_theta_o=model.embed(*clips), emb_theta_w=model.W_proj(words))


def one_pass(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> None:
    """An update by Adam."""
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()


def two_passes(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> None:
    """An update by SAM around Adam, with radius 0.05; leaves the running statistics frozen."""
    optimizer.zero_grad()
    loss().backward()
    moved = [p for p in model.parameters() if p.grad is not None]
    before = [p.detach().clone() for p in moved]
    norm = torch.stack([p.grad.norm() for p in moved]).norm()
    with torch.no_grad():
        for p in moved:
            p += 0.05 / (norm + 1e-12) * p.grad
    set_momentum(model, 0.0)
    optimizer.zero_grad()
    loss().backward()
    with torch.no_grad():
        for p, value in zip(moved, before, strict=True):
            p.copy_(value)
    optimizer.step()


def set_momentum(model: nn.Module, momentum: float) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = momentum


class PlainNet(nn.Module):
    """One or two linear layers, each normalised."""

    def __init__(self, width: int, out: int, hidden: int = 0, momentum: float = 0.1):
        super().__init__()
        first = [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Identity()] if hidden else []
        self.fc = nn.Sequential(*first, nn.Linear(hidden or width, out), nn.BatchNorm1d(out, momentum=momentum),
                                nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class PlainAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.to_qkv, self.to_out = nn.Linear(300, 900, bias=False), nn.Sequential(nn.Linear(300, 300))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (3, 100)).transpose(1, 2) for part in self.to_qkv(x).chunk(3, -1))
        weights = (torch.einsum('bhid,bhjd->bhij', q, k) * 100 ** -0.5).softmax(-1)
        return self.to_out(torch.einsum('bhij,bhjd->bhid', weights, v).transpose(1, 2).flatten(2))


class PlainFeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(300, 64), nn.GELU(), nn.Identity(), nn.Linear(64, 300))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class PlainNormed(nn.Module):
    def __init__(self, fn: nn.Module):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(300), fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x)) + x


class PlainAVCA(nn.Module):
    """The model without dropout, under the names of the released checkpoints."""

    def __init__(self, options: Options):
        super().__init__()
        size = options['dim_out']
        encoder = dict(hidden=options['encoder_hidden_size'], momentum=options['momentum'])
        projection = dict(hidden=options['decoder_hidden_size'], momentum=options['momentum'])
        self.A_enc = PlainNet(options['input_size_audio'], 300, **encoder)
        self.V_enc = PlainNet(options['input_size_video'], 300, **encoder)
        self.cross_attention = nn.Module()
        self.cross_attention.layers = nn.ModuleList(
            nn.ModuleList([PlainNormed(PlainAttention()), PlainNormed(PlainFeedForward())])
            for _ in range(options['depth_transformer']))
        self.W_proj, self.D = PlainNet(300, size), PlainNet(size, 300)
        self.A_proj, self.V_proj = PlainNet(300, size, **projection), PlainNet(300, size, **projection)
        self.A_rec, self.V_rec = PlainNet(size, 300), PlainNet(size, 300)
        self.pos_emb1D = nn.Parameter(torch.randn(2, 300))
        self.options = options

    def attend(self, phi_a: Tensor, phi_v: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.stack((phi_a + self.pos_emb1D[0], phi_v + self.pos_emb1D[1]), 1)
        for attention, feed_forward in self.cross_attention.layers:
            x = feed_forward(attention(x))
        return phi_a + x[:, 0], phi_v + x[:, 1]

    def embed(self, a: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Clips to both embeddings ``(B, z)``."""
        a, v = self.attend(self.A_enc(a), self.V_enc(v))
        return self.A_proj(a), self.V_proj(v)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The objective of a batch and its negatives; the order of the calls is that of the published program."""
        other, w = batch['negative'], batch['word']
        phi_a, phi_v = self.A_enc(batch['audio']), self.V_enc(batch['visual'])
        other_a, other_v = self.A_enc(other['audio']), self.V_enc(other['visual'])
        t_w, n_w = self.W_proj(w), self.W_proj(other['word'])
        r_w, _ = self.D(t_w), self.D(n_w)
        (a, v), (o_a, o_v) = self.attend(phi_a, phi_v), self.attend(other_a, other_v)
        t_v, n_v, t_a, n_a = self.V_proj(v), self.V_proj(o_v), self.A_proj(a), self.A_proj(o_a)
        rec_v, rec_a = self.V_rec(t_v), self.A_rec(t_a)
        self.A_proj(rec_a), self.V_proj(rec_v)
        r_a, q_a, r_v, q_v = self.D(t_a), self.D(n_a), self.D(t_v), self.D(n_v)
        far, near = nn.TripletMarginLoss(margin=1.0), nn.MSELoss()
        loss = near(w, r_v) + near(w, r_a) + near(w, r_w) + far(r_w, r_v, q_v) + far(r_w, r_a, q_a)
        loss = loss + far(t_w, t_a, n_a) + far(t_a, t_w, n_w) + far(t_w, t_v, n_v) + far(t_v, t_w, n_w)
        if self.options['additional_triplets_loss']:
            loss = loss + self.options['first_additional_triplet'] * (far(t_a, t_w, n_a) + far(t_v, t_w, n_v))
            loss = loss + self.options['second_additional_triplet'] * (far(t_w, t_a, n_w) + far(t_w, t_v, n_w))
        if self.options['reg_loss']:
            loss = loss + near(rec_v, phi_v) + near(rec_a, phi_a) + near(t_v, t_w) + near(t_a, t_w)
        return loss


def avca(meta: Options, inputs: Arrays, state: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The embeddings after training, and running variances; the positions are not trained."""
    options, words = meta['options'], class_matrix(inputs, dtype)
    model = PlainAVCA(options['model']).to(dtype).train()
    model.load_state_dict(state)
    trained = [p for name, p in model.named_parameters() if name != 'pos_emb1D']
    optimizer = torch.optim.Adam(trained, lr=options['model']['lr'], weight_decay=1e-5)
    for number in range(options['steps']):
        batch = pairs(inputs, words, number)['inputs']
        one_pass(model, optimizer, lambda batch=batch: model.loss(batch))
        if options['extra_bn_pass']:
            with torch.no_grad():
                model.embed(batch['audio'], batch['visual'])
                model.W_proj(batch['word'])
    model.eval()
    with torch.no_grad():
        audio, video = model.embed(batch['audio'], batch['visual'])
        return dict(emb_audio=audio, emb_video=video, emb_word=model.W_proj(words),
                    V_proj_running_var=model.V_proj.fc[-2].running_var)


PARTS = dict(tcaf_train5_=tcaf, avca_train5_=avca)
