"""Training as it is, for comparison."""
from __future__ import annotations

from mmengine.hooks import Hook

from avmm.registry import HOOKS


@HOOKS.register_module()
class Normal(Hook):
    """No balancing: the same run as without a hook, at the same cost.

    It takes and ignores the options of the other methods, so that a sweep changes one word::

        python tools/train.py CONFIG --cfg-options custom_hooks.0.type=Normal
    """

    def __init__(self, **ignored):
        pass
