"""Checking a config without building anything: every name is known, every argument exists, all errors at once."""
from __future__ import annotations

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from mmengine.registry import MODEL_WRAPPERS, WEIGHT_INITIALIZERS
from mmengine.registry import Registry as MMEngineRegistry
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from avmm import registry as R
from avmm.utils.errors import ConfigError

#: The registry that the components under a key come from; a key that is not here inherits that of its parent.
KEYS: dict[str, MMEngineRegistry] = {
    'model': R.MODELS, 'data_preprocessor': R.MODELS, 'model_wrapper_cfg': MODEL_WRAPPERS,
    'loss': R.LOSSES, 'init_cfg': WEIGHT_INITIALIZERS,
    'dataset': R.DATASETS, 'datasets': R.DATASETS, 'pipeline': R.TRANSFORMS, 'transforms': R.TRANSFORMS,
    'sampler': R.DATA_SAMPLERS, 'batch_sampler': R.DATA_SAMPLERS,
    'collate_fn': R.FUNCTIONS, 'worker_init_fn': R.FUNCTIONS,
    'optim_wrapper': R.OPTIM_WRAPPERS, 'optimizer': R.OPTIMIZERS, 'param_scheduler': R.PARAM_SCHEDULERS,
    'train_cfg': R.LOOPS, 'val_cfg': R.LOOPS, 'test_cfg': R.LOOPS,
    'val_evaluator': R.METRICS, 'test_evaluator': R.METRICS, 'metrics': R.METRICS,
    'default_hooks': R.HOOKS, 'custom_hooks': R.HOOKS, 'log_processor': R.LOG_PROCESSORS,
    'visualizer': R.VISUALIZERS, 'vis_backends': R.VISBACKENDS, 'inferencer': R.INFERENCERS,
    'extractors': R.EXTRACTORS,
}
#: The class of a component whose config does not say it.
DEFAULT_TYPES = {'optim_wrapper': 'OptimWrapper', 'visualizer': 'Visualizer', 'log_processor': 'LogProcessor'}
#: What the runner passes to a component beside its config.
GIVEN: dict[str, frozenset[str]] = {
    'data sampler': frozenset({'dataset', 'seed', 'sampler', 'batch_size'}),
    'optimizer': frozenset({'params'}),
    'optim_wrapper': frozenset({'optimizer', 'constructor', 'paramwise_cfg'}),
    'parameter scheduler': frozenset({'optimizer', 'convert_to_iter_based', 'epoch_length'}),
    'loop': frozenset({'runner', 'dataloader', 'evaluator', 'by_epoch'}),
    'hook': frozenset({'priority'}),
    'visualizer': frozenset({'name', 'save_dir'}),
    'vis_backend': frozenset({'save_dir'}),
    'inferencer': frozenset({'config', 'checkpoint', 'device'}),
}
#: Registries whose components get further arguments from the component that they are part of.
FILLED_IN = ('model', 'model_wrapper', 'weight initializer', 'function')
LOADER_KEYS = frozenset(inspect.signature(DataLoader).parameters) | {'num_batch_per_epoch',
                                                                     'disable_subprocess_warning'}
TOP_KEYS = frozenset(inspect.signature(Runner).parameters) | {'custom_imports', 'runner_type', 'select_on'}


def check_config(cfg: Mapping) -> None:
    """Raise one error that lists everything :func:`find_errors` finds.

    Raises:
        ConfigError: In one line: for each error its place in the config, what is wrong and the nearest right name.
    """
    errors = list(find_errors(cfg))
    if errors:
        raise ConfigError('; '.join(errors))


def find_errors(cfg: Mapping) -> Iterator[str]:
    """Yield what is wrong with a config whose plug-ins are imported.

    Example:
        >>> list(find_errors(dict(optim_wrapper=dict(optimizer=dict(type='SGD', lrr=0.1)))))
        ["optim_wrapper.optimizer: unknown argument 'lrr' of SGD; did you mean 'lr'?"]
    """
    for key in cfg:
        near = [] if key in TOP_KEYS else difflib.get_close_matches(key, TOP_KEYS, n=1, cutoff=0.9)
        if near and near[0] not in cfg:
            yield f'{key} is no setting of a run; did you mean {near[0]!r}?'
        elif key.endswith('_dataloader') and isinstance(cfg[key], Mapping):
            yield from _check_loader(cfg[key], key)
        elif key in KEYS:
            yield from _walk(cfg[key], key, KEYS[key])
    if isinstance(cfg.get('runner_type'), str):
        yield from _find(cfg['runner_type'], R.RUNNERS, 'runner_type')[1]


def _check_loader(cfg: Mapping, path: str) -> Iterator[str]:
    for key in cfg:
        if key not in LOADER_KEYS:
            yield f'{path}: {_unknown_argument(key, "DataLoader", LOADER_KEYS)}'
    for key in cfg:
        if key in KEYS:
            yield from _walk(cfg[key], f'{path}.{key}', KEYS[key])


def _walk(node: object, path: str, registry: MMEngineRegistry) -> Iterator[str]:
    """Check ``node`` and everything below it; ``registry`` is where its components are looked up first."""
    if isinstance(node, (list, tuple)):
        for i, item in enumerate(node):
            yield from _walk(item, f'{path}[{i}]', registry)
        return
    if not isinstance(node, Mapping):
        return
    kind = node.get('type', DEFAULT_TYPES.get(path))
    if kind is not None:
        yield from _check_component(node, kind, path, registry)
    if path == 'optim_wrapper' and isinstance(node.get('constructor'), str):
        yield from _find(node['constructor'], R.OPTIM_WRAPPER_CONSTRUCTORS, f'{path}.constructor')[1]
    for key, value in node.items():
        yield from _walk(value, f'{path}.{key}', _registry_of(key, registry))


def _registry_of(key: str, parent: MMEngineRegistry) -> MMEngineRegistry:
    if key.startswith('loss_') or key.endswith('_loss'):
        return R.LOSSES
    # Below a component, train_cfg and the like are its own affair.
    return parent if KEYS.get(key) is R.LOOPS else KEYS.get(key, parent)


def _check_component(cfg: Mapping, kind: object, path: str, registry: MMEngineRegistry) -> Iterator[str]:
    component, errors = _find(kind, registry, path)
    yield from errors
    if component is None:
        return
    call = call_of(component)
    given = GIVEN.get(registry.name, frozenset())
    for key in cfg:
        if key not in call.names and key not in given and key not in ('type', '_scope_') and not call.open:
            yield f'{path}: {_unknown_argument(key, call.name, call.names)}'
    if registry.name in FILLED_IN and path != 'model':
        return
    for key in sorted(call.required - set(cfg) - given):
        yield f'{path}: {call.name} needs the argument {key!r}'


def _find(kind: object, registry: MMEngineRegistry, path: str) -> tuple[Callable | None, list[str]]:
    """The component called ``kind``, from ``registry`` or from any other one."""
    if not isinstance(kind, str):
        return (kind, []) if callable(kind) else (None, [f'{path}.type is {kind!r}; it must be a name'])
    message = f'{kind!r} is not in the {registry.name} registry'
    for place in dict.fromkeys([registry, *KEYS.values(), R.RUNNERS]):
        try:
            found = place.get(kind)
        except KeyError as error:
            if place is registry:
                message = str(error.args[0])
        else:
            if found is not None:
                return found, []
    return None, [f'{path}: {message}']


def _unknown_argument(key: str, name: str, known: frozenset[str] | set[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
    hint = f'did you mean {near[0]!r}?' if near else f'it takes {", ".join(sorted(known)) or "none"}'
    return f'unknown argument {key!r} of {name}; {hint}'


@dataclass(frozen=True)
class Call:
    """How a component is called.

    Attributes:
        name: Name of the class or function.
        names: Keyword arguments that it takes.
        required: Those without a default.
        open: Whether it takes any others too.
    """
    name: str
    names: frozenset[str]
    required: frozenset[str]
    open: bool


@cache
def call_of(component: Callable) -> Call:
    """Read the signature of a class or function.

    ``**kwargs`` of an ``__init__`` that hands them to ``super().__init__`` stand for the arguments of the base class.
    """
    name = getattr(component, '__name__', str(component))
    if not inspect.isclass(component):
        ordered, needed, rest = _parameters(component)
        return Call(name, frozenset(ordered), needed, rest is not None)
    names: set[str] = set()
    required: set[str] = set()
    passed: tuple[int, set[str]] | None = (0, set())
    for cls in component.__mro__:
        if cls in (object, nn.Module) or '__init__' not in vars(cls):
            continue
        ordered, needed, rest = _parameters(cls.__init__)
        supplied = {*ordered[:passed[0]], *passed[1]}
        names |= set(ordered) - supplied
        required |= needed - supplied
        passed = _passed_on(cls.__init__, rest) if rest else None
        if passed is None:
            return Call(name, frozenset(names), frozenset(required), rest is not None)
    return Call(name, frozenset(names), frozenset(required), False)


def _parameters(function: Callable) -> tuple[list[str], frozenset[str], str | None]:
    """Keyword arguments in order, those of them without a default, and the name of ``**kwargs`` if there is one."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [], frozenset(), 'kwargs'
    by_name = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != 'self']
    rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
    return [p.name for p in by_name], frozenset(p.name for p in by_name if p.default is p.empty), rest


def _passed_on(init: Callable, rest: str) -> tuple[int, set[str]] | None:
    """What ``init`` gives to the ``__init__`` of its base class beside ``**rest``; None if it keeps ``rest`` itself.

    Returns:
        The number of positional arguments, and the names of the others.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, TypeError, SyntaxError):
        return None
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == '__init__':
            unpacked = [k.value.id for k in call.keywords if k.arg is None and isinstance(k.value, ast.Name)]
            if rest in unpacked:
                positional = [a for a in call.args if not isinstance(a, ast.Starred)]
                # Base.__init__(self, ...) names self, super().__init__(...) does not.
                selves = 0 if isinstance(call.func.value, ast.Call) else 1
                return len(positional) - selves, {k.arg for k in call.keywords if k.arg is not None}
    return None
