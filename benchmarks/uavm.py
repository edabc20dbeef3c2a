"""Plain reference of UAVM (IEEE Signal Processing Letters 2022): the models, a training step, layers, retrieval.

The way a research script does it: attention multiplied out; the gradients of the idle modality filled with zeros, so
that Adam walks through all weights in several passes; a forward from the start for each layer that is asked for;
cosine similarity pair by pair. Names of the weights are those of the released checkpoints, weights that are never used
included. Nothing is shared with ``avmm``.
"""
from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Self-attention with its weights written out."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    """Two layers."""

    def __init__(self, dim: int):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """A transformer block."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim), Mlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class SingleTrans(nn.Module):
    """A trunk with its input layers, positions, blocks and classifier."""

    def __init__(self, dim: int, heads: int, depth: int, classes: int, steps: int, width: int):
        super().__init__()
        self.same = dim == width
        self.pos_embed = nn.Parameter(torch.zeros(1, steps, dim))
        self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(depth)])
        self.in_layernorm, self.in_proj = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, dim)
        self.mlp_head = nn.Sequential(nn.LayerNorm(dim, eps=1e-6), nn.Linear(dim, classes))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def features(self, x: Tensor, layer: int | None = None) -> Tensor:
        """Features after ``layer`` blocks, all of them by default."""
        x = self.in_layernorm(x)
        x = (x if self.same else self.in_proj(x)) + self.pos_embed
        return self.blocks[:layer](x)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp_head(self.features(x).mean(1))


class PlainUAVM(nn.Module):
    """UAVM: two trunks and one above them."""

    def __init__(self, dim: int = 1024, heads: int = 4, specific: int = 3, shared: int = 3, classes: int = 309,
                 steps: int = 30, width: int = 1024, shared_dim: int | None = None):
        super().__init__()
        self.specific, self.depth = specific, specific + shared
        self.a_trans = SingleTrans(dim, heads, specific, classes, steps, width)
        self.v_trans = SingleTrans(dim, heads, specific, classes, steps, width)
        self.s_trans = SingleTrans(shared_dim or dim, heads, shared, classes, steps, dim)

    def forward(self, x: Tensor, modality: str) -> Tensor:
        trunk = self.a_trans if modality == 'audio' else self.v_trans
        return self.s_trans(trunk.features(x))

    def extract_feat(self, x: Tensor, modality: str, layer: int) -> Tensor:
        """Features of one layer; the logits after the last block."""
        trunk = self.a_trans if modality == 'audio' else self.v_trans
        if layer > self.depth:
            return self(x, modality)
        if layer <= self.specific:
            return trunk.features(x, layer)
        return self.s_trans.features(trunk.features(x), layer - self.specific)

    def all_layers(self, x: Tensor, modality: str) -> list[Tensor]:
        """Every layer, each by a forward of its own."""
        return [self.extract_feat(x, modality, layer) for layer in range(self.depth + 2)]


class Training:
    """Steps of the training.

    Args:
        model: What is trained.
        multi_label: BCE instead of cross-entropy.
        device: Where it is.
    """

    def __init__(self, model: PlainUAVM, multi_label: bool = False, device: str = 'cpu'):
        self.model, self.device = model.to(device).train(), device
        self.loss = nn.BCEWithLogitsLoss() if multi_label else nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=5e-5, betas=(0.95, 0.999), weight_decay=5e-7)

    def step(self, inputs: dict[str, Tensor], target: Tensor) -> float:
        """One update on a batch of one modality, or on the mean of the losses of both; returns the loss."""
        losses = [self.loss(self.model(x.to(self.device), modality), target.to(self.device))
                  for modality, x in inputs.items()]
        loss = sum(losses) / len(losses)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of the angle between two vectors."""
    return np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))


def plain_retrieval(audio: np.ndarray, visual: np.ndarray) -> dict[str, float]:
    """Recalls and median rank, a pair at a time."""
    similarity = np.zeros((len(audio), len(visual)))
    for i in range(len(audio)):
        for j in range(len(visual)):
            similarity[i, j] = cosine(audio[i], visual[j])
    ordered = np.sort(-similarity, axis=1)
    places = np.where(ordered - -np.diag(similarity)[:, np.newaxis] == 0)[1]
    return {**{f'R@{k}': float(np.sum(places < k)) / len(places) for k in (1, 5, 10)},
            'median_rank': float(np.median(places)) + 1}


def step(task) -> tuple[Callable, int]:
    """A function that does one step on the first samples of the config's data set, and the samples of a step."""
    from torch.utils.data import default_collate
    dataset, model = task.open_dataset(), task.cfg.model
    samples = [dataset[i] for i in range(task.batch_size)]
    inputs = default_collate([sample['inputs'] for sample in samples])
    if task.options.get('modality', 'both') != 'both':
        inputs = {task.options['modality']: inputs[task.options['modality']]}
    target = torch.stack([sample['data_samples'].gt_score for sample in samples])
    torch.manual_seed(task.seed)
    plain = PlainUAVM(model.get('channels', 1024), model.get('num_heads', 4), model.get('specific_depth', 3),
                      model.get('shared_depth', 3), model.num_classes, model.get('num_steps', 30),
                      next(iter(inputs.values())).shape[-1], model.get('shared_channels'))
    training = Training(plain, model.get('loss', {}).get('type') == 'BCELoss', task.device)
    return functools.partial(training.step, {m: x.float() for m, x in inputs.items()}, target), len(samples)


#: What ``tools/analysis_tools/benchmark.py`` may ask for.
OFFERS = dict(step=step)
