"""Plain reference of the training loop: the ten lines of a PyTorch tutorial."""
from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable, print_every: int = 10) -> float:
    """One epoch of updates; returns the last loss that was read back.

    Args:
        model: Called as a model of AVMM is, so that both loops do the same arithmetic: its data preprocessor puts a
            batch on the device, ``mode='loss'`` gives a dictionary of losses.
        batches: The data loader.
        print_every: Iterations between two losses that are read back, as a script does to print them.
    """
    model.train()
    loss = 0.0
    for i, batch in enumerate(batches, 1):
        data = model.data_preprocessor(batch, training=True)
        total = sum(model(**data, mode='loss').values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if i % print_every == 0:
            loss = total.item()
    return loss
