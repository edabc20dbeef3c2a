"""A model from its config and its weights."""
from __future__ import annotations

import os

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from avmm.engine.checkpoint import load_checkpoint, load_state_dict
from avmm.models.base import AVModel
from avmm.registry import MODELS
from avmm.utils import ConfigError
from avmm.utils.config import load_config


def init_model(config: str | os.PathLike | Config, checkpoint: str | os.PathLike | None = None,
               device: torch.device | str = 'cpu', seed: int = 0, trust: bool = False) -> AVModel:
    """The model of a config, on ``device`` and in evaluation mode.

    Args:
        config: A config or its file.
        checkpoint: Weights to load; without one the weights are fresh, drawn from ``seed``.
        device: Where the model goes.
        seed: Seed of fresh weights.
        trust: Let the checkpoint hold more than plain data, and so run code.

    Raises:
        ConfigError: If the config is missing or has no model.
        CheckpointError: If the checkpoint cannot be read or is of another model.

    Example:
        >>> model = init_model('configs/quickstart/av_digits.py', 'work_dirs/av_digits/epoch_8.pth')  # doctest: +SKIP
    """
    cfg = config if isinstance(config, Config) else load_config(config)
    if not cfg.get('model'):
        raise ConfigError('the config has no model')
    init_default_scope(cfg.get('default_scope', 'avmm'))
    # mmengine tells how each weight was initialised, which is for the log of a run.
    MMLogger.get_current_instance().setLevel('WARNING')
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    if checkpoint:
        content = load_checkpoint(checkpoint, trust=trust)
        load_state_dict(model, content.get('state_dict', content), checkpoint)
    else:
        model.init_weights()
    return model.to(device).eval()
