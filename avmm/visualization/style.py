"""One look for every picture: colours, axes, and how a figure gets onto the disk.

Figures are made without pyplot: there is no global state to leak, and no display is needed.
"""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of what has one of its own; they can be told apart with any kind of colour vision.
COLOURS = {'joint': '#222222', 'audio': '#0072b2', 'visual': '#d55e00', 'loss': '#555555'}
_OTHERS = ('#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c6d31', '#7f7f7f')
_CLASSES = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#222222', '#8c6d31', '#8b0000',
            '#9a9a9a')


def colour_of(name: str, position: int = 0) -> str:
    """Colour of a curve: that of ``joint``, ``audio`` or ``visual``, or one of the others by position."""
    return COLOURS.get(name, _OTHERS[position % len(_OTHERS)])


def class_colours(count: int) -> list:
    """Colours of ``count`` classes: ten that are easy to tell apart, or as many as needed around the colour circle."""
    if count <= len(_CLASSES):
        return list(_CLASSES[:count])
    from matplotlib.colors import hsv_to_rgb
    # Neighbours on the circle differ in brightness too.
    return [tuple(float(x) for x in hsv_to_rgb((i / count, 0.8, (0.9, 0.6)[i % 2]))) for i in range(count)]


def new_figure(rows: int = 1, columns: int = 1, size: tuple[float, float] = (5.0, 3.6),
               **subplots) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """A figure and its axes ``[row][column]``.

    Args:
        rows: Number of rows of axes.
        columns: Number of columns.
        size: Width and height of one of the axes (inch).
        **subplots: Arguments of ``Figure.subplots``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout='constrained')
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def tidy(axis: Axes, grid: bool = True) -> Axes:
    """Take away the lines that say nothing, and add a faint grid."""
    axis.spines[['top', 'right']].set_visible(False)
    axis.tick_params(labelsize=8)
    if grid:
        axis.grid(True, color='0.9', linewidth=0.8)
        axis.set_axisbelow(True)
    return axis


def bare(axis: Axes, title: str = '') -> Axes:
    """Axes of an image: a title, and nothing else."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=9)
    return axis


def save_figure(figure: Figure, path: str | os.PathLike, dpi: int = 130) -> Path:
    """Write a figure in the format of the ending of ``path``; an older picture is replaced once the new one is whole.

    Raises:
        ValueError: If matplotlib cannot write that format.
        CheckpointError: If the file cannot be written; what was there before is untouched.
    """
    from avmm.engine.checkpoint import write_atomically
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        figure.savefig(file, format=path.suffix.lstrip('.') or 'png', dpi=dpi)
    return path
