"""What a balancing hook adds to a training step."""
from __future__ import annotations

from collections.abc import Callable

import torch

from avmm.balancing import BalancingHook
from avmm.registry import HOOKS
from benchmarks.pipeline import StepCase
from benchmarks.timing import now, synchronise

#: What a hook does in a step; the time inside is measured there, where it does not drown in that of the step.
PARTS = ('batch_scores', 'coefficients', 'edit_gradients')


class BalancedStep:
    """Steps with a balancing hook attached.

    Attributes:
        inside: Seconds that the hook itself took in a step, in each repeat.
    """

    def __init__(self, step: StepCase, hook: BalancingHook):
        self.step, self.hook, self.inside = step, hook, []
        self._seconds = 0.0
        for part in PARTS:
            setattr(hook, part, self._timed(getattr(hook, part)))

    def _timed(self, function: Callable) -> Callable:
        def timed(*args):
            synchronise()
            start = now()
            result = function(*args)
            synchronise()
            self._seconds += now() - start
            return result
        return timed

    def __call__(self) -> float:
        """Samples of one repeat."""
        self._seconds = 0.0
        self.hook.attach(self.step.model, self.step.optim_wrapper.optimizer)
        try:
            return self.step()
        finally:
            self.hook.detach()
            self.inside.append(self._seconds / self.step.iters)


class NoiseCase:
    """Drawing one normal number for each weight of the branches' convolutions, in place: the noise of OGM-GE alone."""

    def __init__(self, model, samples: int, iters: int):
        branches = [model.branch(m) for m in model.modalities]
        weights = [p for branch in branches for p in branch.parameters() if p.dim() == 4]
        self.buffer = torch.empty(max(w.numel() for w in weights), device=weights[0].device)
        self.sizes, self.samples, self.iters = [w.numel() for w in weights], samples, iters
        self.generator = torch.Generator(self.buffer.device).manual_seed(0)

    def __call__(self) -> float:
        """Samples of one repeat, as a step has them."""
        for _ in range(self.iters):
            for size in self.sizes:
                self.buffer[:size].normal_(generator=self.generator)
        return self.samples * self.iters


def cases(step: StepCase, hooks: list[str]) -> dict:
    """The step without a hook, with each hook, and the drawing of noise."""
    built = {name: BalancedStep(step, HOOKS.build(dict(type=name))) for name in hooks}
    return {'Normal': step, **built, 'noise alone': NoiseCase(step.model, step.samples, step.iters)}
