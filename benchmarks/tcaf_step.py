"""Plain reference of TCAF's training step (ECCV 2022).

The way a research script does it: all padded steps go through every layer; each layer builds the attention mask anew
and repeats it to its heads, and scores, mask and softmax are tensors of their own; queries, keys and values are three
products; the last layer computes all tokens, of which one is read; times are embedded clip by clip; each step is
followed by a second forward pass in training mode, with its graph, whose result is thrown away. Names of the weights
are those of the released checkpoints. Nothing is shared with ``avmm``.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: lr, hidden width of the encoders, dropout of encoders, decoders, words, transformer and embedding block, depth,
#: heads, width of a head, features of audio and video, seconds of a step of audio and video.
RECIPES = {
    'cls_ucf': (7e-5, 512, .3, .1, .1, .3, .2, 6, 8, 64, 128, 4096, .96, .64),
    'cls_activitynet': (7e-5, 512, .3, .1, .1, .4, .2, 6, 8, 64, 128, 4096, .96, .64),
    'main_ucf': (5e-5, 256, .4, .2, .1, .3, .2, 5, 8, 64, 512, 512, 1, 1),
}


class EmbeddingNet(nn.Module):
    def __init__(self, width: int, out: int, p: float, hidden: int = -1):
        super().__init__()
        layers = []
        if hidden > 0:
            layers += [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(p)]
            width = hidden
        self.fc = nn.Sequential(*layers, nn.Linear(width, out), nn.BatchNorm1d(out), nn.ReLU(), nn.Dropout(p))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class EmbeddingBlock(nn.Module):
    """Appends embeddings of modality, time and padding, and projects."""

    def __init__(self, width: int, embed: int, p: float, scale: float = 10.0):
        super().__init__()
        self.register_buffer('fourier_randn', torch.randn(2, embed // 2) * scale)
        self.modal_embedding, self.pad_embedding = nn.Embedding(2, embed), nn.Embedding(1, embed)
        self.fourier_embeddings = nn.Linear(embed, embed)
        self.out_proj_audio, self.out_proj_video = (nn.Conv1d(width + embed, width, 1) for _ in range(2))
        self.dropout = nn.Dropout(p)

    def forward(self, x: Tensor, mask: Tensor, row: int, times: Tensor | None) -> Tensor:
        b, t, _ = x.shape
        if times is None:
            times = torch.arange(t, device=x.device).unsqueeze(0).repeat(b, 1)
        places = times.float().unsqueeze(-1).repeat(1, 1, 2).to(x.dtype)
        angles = (2 * math.pi * places) @ self.fourier_randn
        time = self.fourier_embeddings(torch.cat([angles.sin(), angles.cos()], -1))
        modal = self.modal_embedding(torch.full((b, t), row, dtype=torch.long, device=x.device))
        padded = self.pad_embedding(torch.zeros(b, t, dtype=torch.long, device=x.device)) * (1 - mask).unsqueeze(-1)
        x = torch.cat([x, modal + time + padded], -1)
        project = self.out_proj_video if row else self.out_proj_audio
        return self.dropout(project(x.permute(0, 2, 1)).permute(0, 2, 1))


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int, dim_head: int, p: float):
        super().__init__()
        self.heads, self.scale, inner = heads, dim_head ** -0.5, heads * dim_head
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, inner, bias=False) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(inner, dim), nn.Dropout(p))

    def forward(self, x: Tensor, valid: Tensor, audio: int) -> Tensor:
        b, n, _ = x.shape
        q, k, v = (to(x).view(b, n, self.heads, -1).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v))
        scores = torch.einsum('bhid,bhjd->bhij', q, k) * self.scale
        mask = valid.unsqueeze(1).repeat(1, n, 1) * valid.unsqueeze(2).repeat(1, 1, n)
        mask[:, 1:1 + audio, 1:1 + audio] = False
        mask[:, 1 + audio:, 1 + audio:] = False
        mask = mask.unsqueeze(1).repeat(1, self.heads, 1, 1)
        scores = scores.masked_fill(~mask, -torch.finfo(scores.dtype).max)
        out = torch.einsum('bhij,bhjd->bhid', scores.softmax(-1), v)
        return self.to_out(out.transpose(1, 2).reshape(b, n, -1))


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int, p: float):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(p), nn.Linear(hidden, dim),
                                 nn.Dropout(p))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Layer(nn.Module):
    def __init__(self, dim: int, heads: int, dim_head: int, hidden: int, p: float):
        super().__init__()
        self.attn, self.ff = Attention(dim, heads, dim_head, p), FeedForward(dim, hidden, p)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, valid: Tensor, audio: int) -> Tensor:
        x = x + self.attn(self.norm(x), valid, audio)
        return x + self.ff(self.norm(x))


class Transformer(nn.Module):
    def __init__(self, dim: int, depth: int, heads: int, dim_head: int, hidden: int, p: float):
        super().__init__()
        self.layers = nn.ModuleList([Layer(dim, heads, dim_head, hidden, p) for _ in range(depth)])

    def forward(self, x: Tensor, valid: Tensor, audio: int) -> Tensor:
        for layer in self.layers:
            x = layer(x, valid, audio)
        return x


class PlainTCAF(nn.Module):
    """The model of a recipe, on request without dropout and for features of other widths (audio, video)."""

    def __init__(self, recipe: str = 'cls_ucf', drop: bool = True, in_channels: tuple[int, int] | None = None):
        super().__init__()
        _, he, enc, dec, word, transf, block, depth, heads, dim_head, da, dv, *_ = RECIPES[recipe]
        da, dv = in_channels or (da, dv)
        enc, dec, word, transf, block = (p * drop for p in (enc, dec, word, transf, block))
        self.cls_token = nn.Parameter(torch.randn(1, 1, 300))
        self.A_enc, self.V_enc = EmbeddingNet(da, 300, enc, he), EmbeddingNet(dv, 300, enc, he)
        self.W_proj, self.D_w = EmbeddingNet(300, 64, word), EmbeddingNet(64, 300, word)
        self.position_encoder_block = EmbeddingBlock(300, 64, block)
        self.audiovisual_embeddings = self.position_encoder_block
        self.Audio_visual_transformer = Transformer(300, depth, heads, dim_head, 128, transf)
        self.O_proj, self.D_o = EmbeddingNet(300, 64, dec, 512), EmbeddingNet(64, 300, dec, 512)

    def embed(self, a: Tensor, v: Tensor, masks: tuple[Tensor, Tensor], times: tuple) -> Tensor:
        """Clips ``(B, T, D)`` to ``(B, 64)``."""
        b = len(a)
        a, v = a / 255, F.normalize(v, dim=1)
        a = self.A_enc(a.view(-1, a.shape[-1])).view(b, -1, 300)
        v = self.V_enc(v.view(-1, v.shape[-1])).view(b, -1, 300)
        a = self.position_encoder_block(a, masks[0], 0, times[0])
        v = self.position_encoder_block(v, masks[1], 1, times[1])
        x = torch.cat([self.cls_token.repeat(b, 1, 1), a, v], 1)
        valid = torch.cat([masks[0].new_ones(b, 1), *masks], 1).bool()
        return self.O_proj(self.Audio_visual_transformer(x, valid, a.shape[1])[:, 0])

    def losses(self, batch: dict[str, Tensor], classes: Tensor) -> tuple[Tensor, ...]:
        """L_reg, L_rec and L_ce of a batch."""
        w = batch['word']
        theta_o = self.embed(batch['audio'], batch['video'], batch['masks'], batch['times'])
        theta_w = self.W_proj(w)
        rho_w, rho_o = self.D_w(theta_w), self.D_o(theta_o)
        mse = nn.MSELoss()
        scores = torch.matmul(theta_o, self.W_proj(classes).t())
        return (mse(theta_o, theta_w), mse(w, rho_o) + mse(w, rho_w), nn.CrossEntropyLoss()(scores, batch['label']))


class Training:
    """Steps of a recipe's training.

    Args:
        recipe: Its name in ``RECIPES``.
        extra: Whether each step is followed by the extra pass, as officially.
        seed: Seed of the weights and of dropout.
    """

    def __init__(self, recipe: str = 'cls_ucf', extra: bool = True, seed: int = 0):
        torch.manual_seed(seed)
        self.model, self.extra = PlainTCAF(recipe).train(), extra
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=RECIPES[recipe][0], weight_decay=1e-5)

    def step(self, batch: dict[str, Tensor], classes: Tensor) -> float:
        """One update; returns its loss."""
        self.optimizer.zero_grad()
        terms = self.model.losses(batch, classes)
        loss = sum(terms)
        loss.backward()
        self.optimizer.step()
        if self.extra:
            self.model.embed(batch['audio'], batch['video'], batch['masks'], (None, None))
            self.model.W_proj(batch['word'])
        return loss.item()


def step(task) -> tuple[Callable, int]:
    """A function that does one step on the first batch of the config's loader, and the samples of a step.

    Options: ``recipe`` (its widths must be those of the data), ``extra=0`` leaves the extra pass out.
    """
    from avmm.utils.tooling import build_loader
    loader = build_loader(task.cfg, task.split, task.seed, batch_size=task.batch_size, num_workers=0)
    batch = next(iter(loader))
    inputs, labels = batch['inputs'], torch.tensor([int(s.gt_label) for s in batch['data_samples']])
    dataset = loader.dataset
    rows = {int(label): row for row, label in enumerate(dataset.metainfo['class_ids'])}
    plain = dict(audio=inputs['audio'].float(), video=inputs['visual'].float(),
                 masks=(inputs['audio_mask'], inputs['visual_mask']), word=inputs['word'].float(),
                 times=(inputs['audio_time'], inputs['visual_time']),
                 label=torch.tensor([rows[label] for label in labels.tolist()]))
    training = Training(task.options.get('recipe', 'cls_ucf'), task.options.get('extra', '1') != '0', task.seed)
    classes = torch.as_tensor(dataset.class_words, dtype=torch.float32)
    return functools.partial(training.step, plain, classes), len(labels)


#: What ``tools/analysis_tools/benchmark.py`` may ask for.
OFFERS = dict(step=step)
