"""Which inferencer belongs to a model."""
from __future__ import annotations

import os

import torch
from mmengine.config import Config

from avmm.apis.classification import AVClassificationInferencer
from avmm.apis.inferencer import AVInferencer
from avmm.apis.localization import AVEventLocalizationInferencer
from avmm.apis.zoo import find_config
from avmm.registry import INFERENCERS, MODELS
from avmm.utils import ConfigError


def inferencer_class(cfg: Config) -> type[AVInferencer]:
    """The class that answers for the model of a config.

    A config says it in ``inferencer = dict(type='MyInferencer', ...)``; classifiers and event localisers need not.

    Raises:
        ConfigError: If there is none.
    """
    named = (cfg.get('inferencer') or {}).get('type')
    if named is not None:
        return INFERENCERS.get(named) if isinstance(named, str) else named
    kind = (cfg.get('model') or {}).get('type')
    model = MODELS.get(kind) if isinstance(kind, str) else kind
    for own in (AVClassificationInferencer, AVEventLocalizationInferencer):
        if isinstance(model, type) and issubclass(model, own.models):
            return own
    raise ConfigError(f'no inferencer is known for the model {kind}; name one in the config: '
                      "inferencer = dict(type='...')")


def init_inferencer(config: str | os.PathLike | Config, checkpoint: str | os.PathLike | None = None,
                    device: str | torch.device | None = None, **options) -> AVInferencer:
    """The inferencer of a model, with the options that its config and the caller give.

    Args:
        config: A config, its file, or the name of a model of :func:`~avmm.apis.list_models`.
        checkpoint: Weights; without them they are fresh, and the answers mean nothing.
        device: Where the model runs; a GPU if there is one by default.
        **options: Arguments of the inferencer; they go before those of the config.

    Raises:
        ConfigError: If there is no inferencer for the model, or an option cannot be.

    Example:
        >>> inferencer = init_inferencer('av_digits', 'work_dirs/av_digits/epoch_8.pth')  # doctest: +SKIP
    """
    cfg = config if isinstance(config, Config) else find_config(config)
    given = {key: value for key, value in (cfg.get('inferencer') or {}).items() if key != 'type'}
    return inferencer_class(cfg)(cfg, checkpoint, device, **{**given, **options})
