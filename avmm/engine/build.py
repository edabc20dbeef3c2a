"""From a config to a runner."""
from __future__ import annotations

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from avmm.registry import RUNNERS


def build_runner(cfg: Config) -> Runner:
    """Build the runner that ``runner_type`` of the config names, :class:`AVRunner` by default.

    Raises:
        KeyError: If a component is not registered; the message lists the nearest names.
    """
    init_default_scope(cfg.get('default_scope', 'avmm'))
    return RUNNERS.get(cfg.get('runner_type', 'AVRunner')).from_cfg(cfg)
