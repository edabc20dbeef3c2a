"""The method that the documentation writes works as printed."""
from __future__ import annotations

import re
from pathlib import Path

import torch

from avmm.registry import HOOKS
from tests.balancing.balance_cases import toy_batch, toy_model, train

PAGE = Path(__file__).parents[2] / 'docs' / 'balancing.md'


def test_the_method_of_the_documentation_slows_the_stronger_modality():
    source = next(code for code in re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)
                  if 'class SlowTheStrong' in code)
    try:
        exec(compile(source, str(PAGE), 'exec'), {})
        hook = HOOKS.build(dict(type='SlowTheStrong', starts=0))
        model = toy_model()
        train(model, [toy_batch()], hook)
        low, high = sorted(float(v) for v in hook.read_log().values())
        assert 0 < low < 1 and high == 1
        assert all(torch.isfinite(p).all() for p in model.parameters())
    finally:
        HOOKS._module_dict.pop('SlowTheStrong', None)
