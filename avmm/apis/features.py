"""Features of clips for inferencers: from their extractors, from arrays, from files of arrays."""
from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from avmm.extraction import FeatureExtractor
from avmm.registry import EXTRACTORS
from avmm.utils import ConfigError, DataError
from avmm.utils.config import load_config

Configs = Mapping[str, dict] | str | os.PathLike


def build_extractors(configs: Configs | None, modalities: Iterable[str], device: torch.device,
                     all_needed: bool = True) -> dict[str, FeatureExtractor]:
    """The extractor of each modality, ready to run.

    Args:
        configs: ``{name: config of a FeatureExtractor}``, or the file of a config with such ``extractors``; None gives
            none.
        modalities: Those that the model takes.
        device: Where the extractors run.
        all_needed: Whether there has to be one for every modality, if there are any.

    Raises:
        ConfigError: If a file has none, or they are of other modalities than the model takes.
    """
    if isinstance(configs, (str, os.PathLike)):
        path, configs = configs, load_config(configs).get('extractors')
        if not configs:
            raise ConfigError(f'{path}: the config has no extractors')
    built = {}
    for name, cfg in (configs or {}).items():
        extractor = EXTRACTORS.build(dict(cfg))
        extractor.check(name)
        built[extractor.modality] = extractor.to(device).eval()
    wanted = set(modalities)
    if built and (set(built) != wanted if all_needed else set(built) - wanted):
        raise ConfigError(f'extractors: the model takes {" and ".join(sorted(wanted))}, got extractors of '
                          f'{" and ".join(built)}')
    return built


def given_features(item: str | os.PathLike | Mapping,
                   modalities: Iterable[str]) -> tuple[str, dict[str, np.ndarray]] | None:
    """The name and the features of a dictionary ``{modality: array}`` or of an ``.npz`` file; None of anything else.

    Raises:
        DataError: If the file cannot be read.
    """
    modalities = tuple(modalities)
    if isinstance(item, Mapping):
        if not set(item) & set(modalities):
            return None
        return str(item.get('sample_id', 'features')), {m: np.asarray(item[m]) for m in modalities if m in item}
    if not os.fspath(item).endswith('.npz'):
        return None
    try:
        with np.load(item) as file:
            return os.fspath(item), {m: file[m] for m in modalities if m in file}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f'{os.fspath(item)}: not a readable file of features ({error})') from None


@torch.inference_mode()
def extract_features(extractor: FeatureExtractor, items: list[Tensor], device: torch.device) -> list[np.ndarray]:
    """Features of clips, of their units ``(N, ...)``; clips whose units have one shape pass the extractor together."""
    if len({item.shape[1:] for item in items}) > 1:
        return [extract_features(extractor, [item], device)[0] for item in items]
    parts = torch.cat(items).split(extractor.batch_size) if items else ()
    rows = [extractor(part.to(device)).float().cpu() for part in parts]
    return [extractor.finish(part) for part in torch.cat(rows).split([len(item) for item in items])] if rows else []
