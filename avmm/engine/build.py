"""From a config to a runner."""
from __future__ import annotations

import os

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from avmm.registry import RUNNERS
from avmm.utils.config_check import check_config
from avmm.utils.prepare import prepare_data


def build_runner(cfg: Config, repo_root: str | os.PathLike) -> Runner:
    """Check a config, make its embedded data if they are absent, and build the runner that ``runner_type`` names.

    Args:
        cfg: A whole config.
        repo_root: Where the converters of embedded data are found.

    Raises:
        ConfigError: If a name or an argument in the config does not exist; all of them are listed.
        DataError: If the data cannot be made.
    """
    check_config(cfg)
    prepare_data(cfg, repo_root)
    init_default_scope(cfg.get('default_scope', 'avmm'))
    return RUNNERS.get(cfg.get('runner_type', 'AVRunner')).from_cfg(cfg)
