"""Models as programs that run without AVMM: ``torch.export`` and ONNX."""
from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from avmm.models.base import AVModel
from avmm.utils import AVMMError, ConfigError, optional_import

#: Suffix of the file of each format.
FORMATS = {'torch': '.pt2', 'onnx': '.onnx'}


class ExportError(AVMMError):
    """A model cannot be exported, or the exported program answers otherwise."""


class ExportableModel(nn.Module):
    """A model with its preprocessing, from tensors to tensors.

    Args:
        model: A model that has :meth:`~avmm.models.base.AVModel.answers`.
        names: Names of the inputs, in the order of the arguments of :meth:`forward`.

    Attributes:
        output_names: Names of the outputs in their order; known after the first call.

    Example:
        >>> program = ExportableModel(model, ['audio', 'visual'])       # doctest: +SKIP
        >>> program(torch.rand(2, 1, 64, 64), torch.zeros(2, 3, 1, 32, 32, dtype=torch.uint8))   # doctest: +SKIP
    """

    def __init__(self, model: AVModel, names: list[str]):
        super().__init__()
        self.model, self.names = model.eval(), list(names)
        self.output_names: list[str] = []

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The answers to a batch, ``(B, ...)`` each; inputs as the data set gives them, uint8 frames included."""
        batch = dict(zip(self.names, inputs, strict=True))
        ready = self.model.data_preprocessor(dict(inputs=batch, data_samples=None), training=False)['inputs']
        answers = self.model.answers(ready)
        self.output_names = list(answers)
        return tuple(answers.values())


def export_model(model: AVModel, inputs: dict[str, Tensor], path: Path, kind: str = 'torch',
                 fixed_batch: bool = False) -> ExportableModel:
    """Write ``model`` as a program.

    Args:
        model: The model.
        inputs: ``{name: (B, ...)}`` as the data set gives them, B at least 2 unless ``fixed_batch``. All sizes but
            that of the batch are those of the program.
        path: File to write.
        kind: ``'torch'`` (``torch.export``) or ``'onnx'``.
        fixed_batch: Make the number of samples of a batch a constant of the program too.

    Returns:
        What was exported, for :func:`check_export`.

    Raises:
        ExportError: If the model has no answers of tensors, or does something that the format cannot say.
    """
    program, values = ExportableModel(model, list(inputs)), tuple(inputs.values())
    with torch.no_grad():
        program(*values)
    sizes = None if fixed_batch else (tuple({0: torch.export.Dim('batch', min=1)} for _ in values), )
    with _explained(model, kind), torch.no_grad():
        exported = torch.export.export(program, values, dynamic_shapes=sizes, strict=False)
        if kind == 'torch':
            torch.export.save(exported, path)
        else:
            optional_import('onnxscript', 'export')
            written = torch.onnx.export(exported, input_names=list(inputs), output_names=program.output_names,
                                        dynamo=True, verbose=False)
            written.save(path)
    return program


def check_export(program: ExportableModel, path: Path, kind: str, batches: list[tuple[Tensor, ...]]) -> float:
    """The largest difference between the answers of the file and those of the model.

    Args:
        program: What :func:`export_model` returned.
        path: The file.
        kind: Its format.
        batches: Inputs to try.

    Returns:
        The largest absolute difference; answers of the models here are probabilities and labels.

    Raises:
        ExportError: If a difference is above 1e-4.
        MissingDependencyError: If onnxruntime, which runs an ONNX file, is not installed.
    """
    run, worst = _runner(path, kind, program.names), 0.0
    for values in batches:
        with torch.no_grad():
            expected = program(*values)
        got = run(values)
        for name, ours, theirs in zip(program.output_names, expected, got, strict=True):
            ours = ours.cpu().numpy()
            gap = float(np.abs(ours.astype(np.float64) - theirs).max()) if ours.shape == theirs.shape else np.inf
            worst = max(worst, gap)
            if not gap <= 1e-4:
                raise ExportError(f'{path}: {name} of a batch of {len(ours)} differs from the model by {gap:.3g}; '
                                  'the file is of no use, please report the config')
    return worst


def _runner(path: Path, kind: str, names: list[str]) -> Callable[[tuple[Tensor, ...]], list[np.ndarray]]:
    if kind == 'torch':
        module = torch.export.load(path).module()
        return lambda values: [x.detach().cpu().numpy() for x in module(*values)]
    session = optional_import('onnxruntime', 'export').InferenceSession(str(path), providers=['CPUExecutionProvider'])
    # What the answers do not depend on is no input of an ONNX program.
    used = [x.name for x in session.get_inputs()]
    return lambda values: session.run(None, {name: x.cpu().numpy() for name, x in zip(names, values, strict=True)
                                             if name in used})


@contextlib.contextmanager
def _explained(model: AVModel, kind: str) -> Iterator[None]:
    """Keep the exporters quiet, and make one line of what they refuse."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    except AVMMError:
        raise
    except Exception as error:
        # The exporters have no common class of errors; the first one raised says what they stopped at.
        first = error
        while first.__cause__ is not None:
            first = first.__cause__
        reason = next((line.strip() for line in str(first).splitlines() if line.strip()), type(first).__name__)
        raise ExportError(f'{type(model).__name__} cannot be exported as {kind}: {reason}') from error
    finally:
        logger.setLevel(level)


def batch_of(inputs: dict[str, Tensor], size: int, seed: int = 0) -> tuple[Tensor, ...]:
    """A batch of ``size`` samples of the shapes, types and ranges of ``inputs`` ``(B, ...)``, drawn from ``seed``.

    Raises:
        ConfigError: If an input is of a type that nothing is drawn for.
    """
    generator = torch.Generator().manual_seed(seed)
    values = []
    for name, example in inputs.items():
        shape = (size, *example.shape[1:])
        if example.dtype.is_floating_point:
            values.append(torch.rand(shape, generator=generator, dtype=torch.float64).to(example.dtype))
        elif example.dtype == torch.bool:
            values.append(torch.rand(shape, generator=generator) < 0.5)
        elif example.dtype == torch.uint8:
            values.append(torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8))
        else:
            raise ConfigError(f'the input {name} is of type {example.dtype}; export knows floats, uint8 and bool')
    return tuple(values)
