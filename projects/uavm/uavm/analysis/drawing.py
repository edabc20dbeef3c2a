"""The pictures of figures 2 to 5: what your runs gave, beside what was published."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avmm.visualization.style import bare, colour_of, new_figure, tidy
from projects.uavm.uavm.analysis import published

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: ``{x: values of the repeats}``
Series = Mapping[float, Sequence[float]]
#: Labels of axes that count.
WHOLE = ('layer', 'shared blocks $N_s$')


def draw_series(axis: Axes, series: Series, name: str, position: int = 0) -> None:
    """A line of means in a band of one standard deviation (of the population, as published)."""
    xs = sorted(series)
    mean = np.array([np.mean(series[x]) for x in xs])
    spread = np.array([np.std(series[x]) for x in xs])
    colour = colour_of(name, position)
    axis.plot(xs, mean, marker='o', markersize=3.5, linewidth=1.6, color=colour, label=name)
    axis.fill_between(xs, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)


def draw_published(axis: Axes, values: Mapping[float, float], name: str = 'published', position: int = 0) -> None:
    """A dashed line of published means."""
    xs = sorted(values)
    axis.plot(xs, [values[x] for x in xs], linestyle='--', marker='x', markersize=4, linewidth=1.0,
              color=colour_of('', position), alpha=0.7, label=name)


def finish(axis: Axes, title: str, xlabel: str, ylabel: str, widths: Sequence[float] = ()) -> Axes:
    """Titles and a legend; with ``widths``, x is logarithmic and has a tick for each."""
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(xlabel, fontsize=9)
    axis.set_ylabel(ylabel, fontsize=9)
    if widths:
        axis.set_xscale('log', base=2)
        ticks = sorted(set(widths))
        axis.set_xticks(ticks, [f'{x:g}' for x in ticks])
    elif xlabel in WHOLE:
        axis.xaxis.get_major_locator().set_params(integer=True)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=7, frameon=False)
    return tidy(axis)


def probe_figure(accuracy: Mapping[int, Sequence[Sequence[float]]], curves: Mapping[int, np.ndarray]) -> Figure:
    """Figure 3 (A) to (C).

    Args:
        accuracy: ``{S: accuracies of the layers (L,) of each repeat}``, shares.
        curves: ``{S: sizes of the weights of the probe on the last layer}``.
    """
    figure, (axes, ) = new_figure(1, 3, size=(4.0, 3.1))
    last = {width: [100 * row[-1] for row in rows] for width, rows in accuracy.items()}
    if last:
        draw_series(axes[0], last, 'measured')
    draw_published(axes[0], {width: row[2] for width, row in published.PROBE.items()}, position=5)
    finish(axes[0], '(A) last layer', 'S', 'accuracy of the probe (%)', [*last, *published.PROBE])
    for i, (width, rows) in enumerate(sorted(accuracy.items())):
        by_layer = {k: [100 * row[k] for row in rows] for k in range(min(len(row) for row in rows))}
        draw_series(axes[1], by_layer, f'S={width}', i)
    comparable = all(len(row) == 7 for rows in accuracy.values() for row in rows)
    for i, width in enumerate(sorted(accuracy) or (16, 64, 256, 1024)):
        if comparable and width in published.PROBE:
            values = dict(zip((4, 5, 6), published.PROBE[width][:3], strict=True))
            draw_published(axes[1], values, f'S={width}, published', i)
    finish(axes[1], '(B) layers', 'layer', 'accuracy of the probe (%)')
    for i, (width, curve) in enumerate(sorted(curves.items())):
        axes[2].plot(np.arange(1, len(curve) + 1), curve, color=colour_of('', i), linewidth=1.4, label=f'S={width}')
    axes[2].set_ylim(-0.05, 1)
    axes[2].set_xscale('log')
    axes[2].minorticks_off()
    finish(axes[2], '(C) sizes of the weights', 'dimension, sorted', '|weight|')
    return figure


def tsne_figure(rows: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]], points: int = 500) -> Figure:
    """Figure 3 (D): a row for each model, a map for each layer.

    Args:
        rows: ``{name: (audio (N, 2), visual (N, 2)) of each layer}``.
        points: Points of each modality to draw, the first ones.
    """
    columns = max(len(maps) for maps in rows.values())
    figure, axes = new_figure(len(rows), columns, size=(1.7, 1.8))
    for line, (name, maps) in zip(axes, rows.items(), strict=True):
        for layer, axis in enumerate(line):
            bare(axis, f'layer {layer}')
            for modality, found in zip(('audio', 'visual'), maps[layer] if layer < len(maps) else (), strict=False):
                axis.scatter(*found[:points].T, s=2, linewidths=0, color=colour_of(modality), label=modality)
        line[0].set_ylabel(name, fontsize=8)
    axes[0][0].legend(fontsize=6, frameon=False, markerscale=3)
    return figure


def retrieval_figure(by_width: Mapping[str, Series], by_layer: Mapping[int, Mapping[int, Sequence[float]]]) -> Figure:
    """Figure 4.

    Args:
        by_width: ``{'R@5': {S: shares of the repeats}, 'R@10': ...}`` of the last block.
        by_layer: ``{number of shared blocks: {layer: recall at 10 of the repeats}}``; the last layer has the logits.
    """
    figure, (axes, ) = new_figure(1, 2, size=(4.5, 3.0))
    reference = {'R@5': published.RECALL_5, 'R@10': published.RECALL_10}
    for i, name in enumerate(reference):
        if by_width.get(name):
            draw_series(axes[0], percent(by_width[name]), name, i)
        draw_published(axes[0], reference[name], f'{name}, published', i)
    widths = {x for series in (*by_width.values(), *reference.values()) for x in series}
    finish(axes[0], 'last block', 'S', 'recall (%)', sorted(widths))
    top = max((k for layers in by_layer.values() for k in layers), default=7)
    for i, (shared, layers) in enumerate(sorted(by_layer.items(), reverse=True)):
        draw_series(axes[1], percent(layers), f'$N_s$={shared}', i)
    for i, shared in enumerate(published.RECALL_10_LOGITS if top == 7 else ()):
        draw_published(axes[1], {6: published.RECALL_10_BLOCK_6[shared], 7: published.RECALL_10_LOGITS[shared]},
                       f'$N_s$={shared}, published, S=128', i)
    names = ['input', *map(str, range(1, top)), 'logits']
    finish(axes[1], 'layers', 'layer', 'recall at 10 (%)').set_xticks(range(top + 1), names)
    return figure


def difference_figure(values: Series) -> Figure:
    """Figure 5, lower part: how far the attention of both modalities differs in the last block.

    Args:
        values: ``{number of shared blocks: mean differences of the repeats}``.
    """
    figure, ((axis, ), ) = new_figure(size=(3.0, 6.0))
    if values:
        draw_series(axis, values, 'measured')
    draw_published(axis, published.ATTENTION_DIFFERENCE, 'published, S=1024', 5)
    finish(axis, 'last block', 'shared blocks $N_s$', 'mean |audio map - video map|')
    return figure


def clip_figure(title: str, maps: Mapping[str, tuple[np.ndarray, ...]],
                pictures: Sequence[np.ndarray | None] = ()) -> Figure:
    """Figure 5, upper part: where the models look in one clip.

    Args:
        title: Name of the clip or its class.
        maps: ``{model: (audio (H, T), visual (H, T))}``, or ``(joint (H, 2T),)`` of one over both.
        pictures: Images of sound and frames for the lowest row, if there are any.
    """
    rows = len(maps) + bool(pictures)
    figure, grid = new_figure(rows, 2, size=(3.0, 3.5 / rows))
    for line, (name, images) in zip(grid, maps.items(), strict=False):
        for side, axis in enumerate(line):
            image = images[side] if len(images) == 2 else np.split(images[0], 2, axis=1)[side]
            limits = dict(vmin=min(i.min() for i in images), vmax=max(i.max() for i in images))
            axis.imshow(image, aspect='auto', cmap='viridis', interpolation='nearest', **limits)
            axis.set_xticks([])
            axis.set_yticks(range(len(image)) if side == 0 else [], [f'h{h + 1}' for h in range(len(image))][
                :len(image) if side == 0 else 0], fontsize=6)
        line[0].set_ylabel(name, fontsize=6)
    for axis, picture in zip(grid[-1], pictures, strict=False):
        if picture is not None:
            axis.imshow(picture, aspect='auto')
        bare(axis)
    for axis, name in zip(grid[0], ('audio', 'video'), strict=True):
        axis.set_title(name, fontsize=7)
    figure.suptitle(title, fontsize=9)
    return figure


def performance_figure(lines: Mapping[str, Mapping[float, Sequence[Sequence[float]]]], xlabel: str,
                       logarithmic: bool = False, reference: float | None = None) -> Figure:
    """Figure 2: accuracy of audio, video and both.

    Args:
        lines: ``{model: {x: (audio, visual, joint) of each repeat}}``, shares.
        xlabel: What x is.
        logarithmic: Whether x is logarithmic.
        reference: Where on x the published accuracy of one 3+3 training with S=1024 belongs, if it does.
    """
    figure, (axes, ) = new_figure(1, 3, size=(3.0, 2.5))
    xs = sorted({x for line in lines.values() for x in line} | ({reference} if reference is not None else set()))
    for side, (axis, title) in enumerate(zip(axes, ('Audio', 'Visual', 'Audio-Visual Fusion'), strict=True)):
        for i, (name, line) in enumerate(lines.items()):
            # Attention over both modalities has one answer.
            if side == 2 or name != 'cross-modality':
                draw_series(axis, {x: [100 * row[side] for row in rows] for x, rows in line.items()}, name, i)
        if reference is not None:
            axis.plot([reference], [published.ACCURACY[side]], 'x', color='0.3', label='published, S=1024, $N_s$=3')
        finish(axis, title, xlabel, 'accuracy (%)' if side == 0 else '', xs if logarithmic else ())
    return figure


def percent(series: Series) -> dict[float, list[float]]:
    """Shares as per cent."""
    return {x: [100 * value for value in values] for x, values in series.items()}
