"""One registry for each kind of component; all are children of mmengine's.

A component registers with a decorator and is named in a config::

    from avmm.registry import MODELS

    @MODELS.register_module()
    class MyFusion(Fusion): ...

    model = dict(type='AVClassifier', fusion=dict(type='MyFusion'))

``locations`` are imported at the first look-up, so nothing of AVMM has to be imported by hand. A project or another
package names its modules in ``custom_imports`` of a config.
"""
from __future__ import annotations

import difflib

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry as MMEngineRegistry

__all__ = [
    'DATASETS', 'TRANSFORMS', 'DATA_SAMPLERS', 'FUNCTIONS', 'MODELS', 'LOSSES', 'HOOKS', 'METRICS', 'EVALUATOR',
    'VISUALIZERS', 'VISBACKENDS', 'OPTIMIZERS', 'OPTIM_WRAPPERS', 'OPTIM_WRAPPER_CONSTRUCTORS', 'PARAM_SCHEDULERS',
    'RUNNERS', 'LOOPS', 'LOG_PROCESSORS', 'INFERENCERS', 'EXTRACTORS', 'Registry'
]


class Registry(MMEngineRegistry):
    """mmengine's registry, whose error for an unknown name lists the nearest known ones."""

    def get(self, key: str):
        """Return the component called ``key``.

        Raises:
            KeyError: If neither this registry nor its parents know it. The message is one line with the registry
                searched and the nearest known names.
        """
        found = super().get(key)
        if found is None:
            raise KeyError(self._unknown(key))
        return found

    def known_names(self) -> list[str]:
        """Names registered here and in the parents, sorted."""
        names, registry = set(), self
        while registry is not None:
            registry.import_from_location()
            names.update(registry.module_dict)
            registry = registry.parent
        return sorted(names)

    def _unknown(self, key: str) -> str:
        known = self.known_names()
        by_lower = {name.lower(): name for name in known}
        near = [by_lower[n] for n in difflib.get_close_matches(key.lower(), by_lower, n=4, cutoff=0.5)]
        hint = f'did you mean {", ".join(near)}?' if near else f'it knows {len(known)} names.'
        return (f'{key!r} is not in the {self.scope}::{self.name} registry; {hint} '
                'If it is your own, name its module in custom_imports of the config.')


def _child(parent_name: str, *locations: str) -> Registry:
    parent = getattr(mmengine_registry, parent_name)
    return Registry(parent.name, parent=parent, scope='avmm', locations=list(locations))


# Audio-visual data sets: avmm/datasets.
DATASETS = _child('DATASETS', 'avmm.datasets')
# Steps of a data pipeline: avmm/datasets/transforms.
TRANSFORMS = _child('TRANSFORMS', 'avmm.datasets.transforms')
# The order in which samples are drawn: avmm/datasets/samplers.
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'avmm.datasets.samplers')
# Plain functions named in configs, such as collate functions.
FUNCTIONS = _child('FUNCTIONS', 'avmm.datasets')
# Encoders, fusions, heads, classifiers, data preprocessors: avmm/models.
MODELS = _child('MODELS', 'avmm.models')
# Losses: avmm/models/losses. A root of its own, since mmengine keeps none and one root holds one child a scope.
LOSSES = Registry('loss', scope='avmm', locations=['avmm.models.losses'])
# Hooks: avmm/engine/hooks, balancing methods in avmm/balancing, those that draw in avmm/visualization.
HOOKS = _child('HOOKS', 'avmm.engine.hooks', 'avmm.balancing', 'avmm.visualization')
# Metrics: avmm/evaluation/metrics.
METRICS = _child('METRICS', 'avmm.evaluation')
EVALUATOR = _child('EVALUATOR', 'avmm.evaluation')
# Pictures: avmm/visualization.
VISUALIZERS = _child('VISUALIZERS', 'avmm.visualization')
VISBACKENDS = _child('VISBACKENDS', 'avmm.visualization')
# Optimisers, their wrappers and the rules that group parameters: avmm/engine/optimizers.
OPTIMIZERS = _child('OPTIMIZERS', 'avmm.engine.optimizers')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'avmm.engine.optimizers')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'avmm.engine.optimizers')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'avmm.engine.optimizers')
# The runner, its loops and its log: avmm/engine.
RUNNERS = _child('RUNNERS', 'avmm.engine.runner')
LOOPS = _child('LOOPS', 'avmm.engine.loops')
LOG_PROCESSORS = _child('LOG_PROCESSORS', 'avmm.engine.logging')
# From files to predictions: avmm/apis.
INFERENCERS = _child('INFERENCERS', 'avmm.apis')
# From media files to features: avmm/extraction. A root of its own, as LOSSES.
EXTRACTORS = Registry('extractor', scope='avmm', locations=['avmm.extraction'])
