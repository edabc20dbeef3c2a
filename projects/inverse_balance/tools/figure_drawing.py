"""Drawing the figures of inverse-effectiveness fusion: published values hatched and pale, measured ones solid."""
from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from avmm.visualization.style import new_figure, tidy
from projects.inverse_balance.tools.published import (
    BAR_LIMITS,
    DATASETS,
    GAMMA_BASELINE,
    GAMMA_SWEEP,
    METHOD_NAMES,
    METHODS,
    ZOOM_EPOCHS,
    ZOOM_LIMITS,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Mean, deviation and number of runs.
Value = tuple[float, float, int]
Curve = tuple[Sequence[int], Sequence[float]]
_COLOURS = {'vanilla': '#769AC9', 'joint': '#9BB89A', 'inverse': '#D5C5A9'}
_NAMES = {'vanilla': 'vanilla', 'joint': 'w/ joint learning', 'inverse': 'w/ IEMF'}
_TUNING = {'scratch': ('from scratch', '#7f7f7f'), 'finetune-vanilla': ('branch w/o IEMF', '#769AC9'),
           'finetune-inverse': ('branch w/ IEMF', '#b3894a')}


def bars(data: str, network: str, published: Mapping[str, Sequence[float]],
         measured: Mapping[str, Sequence[Value | None]]) -> Figure:
    """Groups of bars, one group a method: for each variant the published bar, then the measured one.

    Args:
        data: Data set.
        network: ``'ann'`` or ``'snn'``.
        published: ``{variant: accuracies of the methods (%)}``.
        measured: ``{variant: what was measured for each method}``, None where there is no run.
    """
    figure, axes = new_figure(size=(7.4, 4.0))
    axis, width = axes[0][0], 0.86 / max(len(published) * (1 + any(map(any, measured.values()))), 2)
    lowest, highest = BAR_LIMITS[data]
    for group in range(len(METHODS)):
        row = []
        for variant, reference in published.items():
            row.append((variant, reference[group], None))
            if measured[variant][group]:
                row.append((variant, *measured[variant][group][:2]))
        for number, (variant, value, deviation) in enumerate(row):
            _bar(axis, group + (number - (len(row) - 1) / 2) * width, width, variant, value, deviation)
            if deviation is not None:
                lowest, highest = min(lowest, value - deviation - 2), max(highest, value + deviation + 2)
    for variant in published:
        _bar(axis, 0, 0, variant, 0, None, f'{_NAMES[variant]}, published')
        if any(measured[variant]):
            _bar(axis, 0, 0, variant, 0, 0, f'{_NAMES[variant]}, measured')
    axis.set_xticks(range(len(METHODS)), [METHOD_NAMES[m] for m in METHODS])
    axis.set_ylim(max(lowest, 0), min(highest, 100) + 0.06 * (highest - lowest))
    axis.set_ylabel('accuracy (%)', fontsize=9)
    axis.set_title(f'{DATASETS[data]}, {network.upper()}', fontsize=10)
    tidy(axis).grid(False, axis='x')
    figure.legend(loc='outside lower center', ncols=len(published), fontsize=8, frameon=False)
    return figure


def _bar(axis: Axes, place: float, width: float, variant: str, value: float, deviation: float | None,
         label: str | None = None) -> None:
    """A published bar where ``deviation`` is None, else a measured one; ``label`` is for the legend alone."""
    colour = _COLOURS[variant]
    if deviation is None:
        axis.bar(place, value, width, color=f'{colour}55', edgecolor=colour, hatch='///', label=label)
    else:
        axis.bar(place, value, width, color=colour, edgecolor='0.25', linewidth=0.8, label=label)
    if label:
        return
    if deviation:
        axis.errorbar(place, value, deviation, color='0.25', capsize=3, linewidth=1)
    axis.annotate(f'{value:.2f}', (place, value + (deviation or 0)), (0, 3), textcoords='offset points', ha='center',
                  fontsize=6.5, color='0.45' if deviation is None else 'black')


def gamma_sweep(measured: Mapping[float, Value], baseline: Value | None) -> Figure:
    """Accuracy of OGM-GE on Kinetics-Sounds over gamma; the lines are the accuracy without the coefficient.

    Args:
        measured: ``{gamma: what was measured}``.
        baseline: What was measured without the coefficient.
    """
    figure, axes = new_figure(size=(5.6, 3.8))
    axis = axes[0][0]
    colours = dict(cmap='turbo', vmin=56, vmax=65)
    points = axis.scatter(list(GAMMA_SWEEP), list(GAMMA_SWEEP.values()), c=list(GAMMA_SWEEP.values()), marker='h',
                          s=130, alpha=0.75, linewidths=0, label='published', **colours)
    axis.axhline(GAMMA_BASELINE, color='0.55', linestyle='--', linewidth=1, label='without IEMF, published')
    bar = figure.colorbar(points, ax=axis, label='accuracy (%)')
    bar.ax.axhline(GAMMA_BASELINE, color='black', linewidth=1.5)
    if measured:
        places = sorted(measured)
        means, deviations = ([measured[g][i] for g in places] for i in (0, 1))
        axis.errorbar(places, means, deviations, fmt='none', color='black', linewidth=1, capsize=3, zorder=3)
        axis.scatter(places, means, c=means, marker='h', s=130, edgecolors='black', linewidths=1.4, zorder=4,
                     label='measured', **colours)
    if baseline:
        axis.axhline(baseline[0], color='black', linewidth=1, label='without IEMF, measured')
    axis.set_xlabel(r'$\gamma$', fontsize=10)
    axis.set_ylabel('accuracy (%)', fontsize=9)
    axis.set_title('OGM-GE w/ IEMF, Kinetics-Sounds', fontsize=10)
    tidy(axis)
    figure.legend(loc='outside lower center', ncols=2, fontsize=8, frameon=False)
    return figure


def finetuning(data: str, modality: str, curves: Mapping[str, Sequence[Curve]]) -> Figure:
    """Accuracy of one modality over the epochs, the end enlarged beside it; means over the runs of a kind.

    Args:
        data: Data set.
        modality: The modality that is trained.
        curves: ``{'scratch', 'finetune-vanilla' or 'finetune-inverse': curves}``, an empty list where there is no run.
    """
    means = {kind: mean_curve(lines) for kind, lines in curves.items() if lines}
    long = all(max(x, default=0) > ZOOM_EPOCHS[0] for x, _ in means.values())
    figure, axes = new_figure(1, 2 if long else 1, size=(4.6, 3.6))
    for axis in axes[0]:
        for kind, (x, y) in means.items():
            name, colour = _TUNING[kind]
            axis.plot(x, y, color=colour, linewidth=1.6, label=f'{name}, measured' if axis is axes[0][0] else None)
        axis.set_xlabel('epoch', fontsize=9)
        tidy(axis)
    axes[0][0].set_ylabel('accuracy (%)', fontsize=9)
    axes[0][0].set_title(f'{DATASETS[data]}, {modality}', fontsize=10)
    if long:
        shown = [v for x, y in means.values() for e, v in zip(x, y, strict=True) if e >= ZOOM_EPOCHS[0]]
        low, high = ZOOM_LIMITS.get((data, modality), (min(shown), max(shown)))
        axes[0][1].set_xlim(*ZOOM_EPOCHS)
        axes[0][1].set_ylim(min(low, min(shown) - 0.5), max(high, max(shown) + 0.5))
        axes[0][1].set_title('epochs {} to {}'.format(*ZOOM_EPOCHS), fontsize=10)
    figure.legend(loc='outside lower center', ncols=len(means), fontsize=8, frameon=False)
    return figure


def mean_curve(lines: Sequence[Curve]) -> Curve:
    """The mean of some curves at the epochs that all of them have."""
    tables = [dict(zip(x, y, strict=True)) for x, y in lines]
    epochs = sorted(set(tables[0]).intersection(*tables[1:]))
    return epochs, [statistics.fmean(table[e] for table in tables) for e in epochs]


def coefficient(accuracy: Curve, xi: Curve, data: str, method: str) -> Figure:
    """Accuracy, and the coefficient of inverse effectiveness, over the epochs."""
    figure, axes = new_figure(size=(5.4, 3.6))
    left = axes[0][0]
    right = left.twinx()
    left.plot(*accuracy, color='#0072b2', linewidth=1.6, label='accuracy, measured')
    right.plot(*xi, color='#d55e00', linewidth=1.6, label=r'$\xi$ of the middle test batch, measured')
    left.set_xlabel('epoch', fontsize=9)
    left.set_ylabel('accuracy (%)', fontsize=9, color='#0072b2')
    right.set_ylabel(r'coefficient $\xi$', fontsize=9, color='#d55e00')
    left.set_title(f'{METHOD_NAMES.get(method, method)} w/ IEMF, {DATASETS[data]}', fontsize=10)
    tidy(left)
    right.spines['top'].set_visible(False)
    right.tick_params(labelsize=8)
    figure.legend(loc='outside lower center', ncols=2, fontsize=8, frameon=False)
    return figure
