"""Pictures of calibrated recognition: what a calibration trades, and which classes are recognised."""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avmm.utils import DataError
from avmm.visualization.style import tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of what is measured; they can be told apart with any kind of colour vision.
COLOURS = {'seen': '#0072b2', 'unseen': '#d55e00', 'hm': '#222222', 'zsl': '#8c8c8c'}
NAMES = {'seen': 'seen (S)', 'unseen': 'unseen (U)', 'hm': 'harmonic mean (HM)', 'zsl': 'ZSL'}


def read_curves(path: str | os.PathLike) -> dict:
    """Read what ``GZSLMetric(out_file=...)`` wrote.

    Raises:
        DataError: If the file is missing or something else.
    """
    try:
        content = json.loads(Path(path).read_text())
        if not content['modes'] or any(len(m['hm']) != len(m['betas']) or len(m['recalls']) != len(content['classes'])
                                       for m in content['modes'].values()):
            raise ValueError
    except FileNotFoundError:
        raise DataError(f'{path}: the file of curves is missing; GZSLMetric(out_file=...) writes it') from None
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f'{path}: no curves of GZSLMetric(out_file=...)') from None
    return content


def draw_calibration(axis: Axes, curve: Mapping, title: str = '') -> Axes:
    """Recalls of seen and unseen classes and their harmonic mean against the calibration, in per cent.

    Args:
        axis: Where to draw.
        curve: One of the ``modes`` of a file of curves.
        title: Title.
    """
    betas = curve['betas']
    for name in ('seen', 'unseen', 'hm'):
        axis.plot(betas, _percent(curve[name]), label=NAMES[name], color=COLOURS[name],
                  linewidth=2.2 if name == 'hm' else 1.6, marker='o' if len(betas) <= 40 else None, markersize=3.5)
    axis.axhline(*_percent([curve['zsl']]), color=COLOURS['zsl'], linewidth=1.2, linestyle='--', label=NAMES['zsl'])
    best, value = betas[curve['best']], _percent([curve['hm'][curve['best']]])[0]
    axis.axvline(best, color='0.75', linewidth=1, zorder=0)
    axis.annotate(f'β = {best:.3g}: {value:.1f} %', (best, value), xytext=(6, 6), textcoords='offset points',
                  fontsize=8)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel('calibration β', fontsize=9)
    axis.set_ylabel('mean recall of classes (%)', fontsize=9)
    axis.legend(fontsize=8, frameon=False)
    return tidy(axis)


def draw_recalls(axis: Axes, curve: Mapping, classes: list[str], title: str = '') -> Axes:
    """Recall of every class at the best calibration, seen and unseen ones apart, each from the best to the worst.

    Unseen classes also get a mark where a search among them alone would bring them. Classes without clips are left
    out.

    Args:
        axis: Where to draw.
        curve: One of the ``modes`` of a file of curves.
        classes: Names of the classes.
        title: Title.
    """
    seen, recalls = np.array(curve['is_seen'], bool), _percent(curve['recalls'])
    alone, there = _percent(curve['zsl_recalls']), np.array(curve['counts']) > 0
    order = [i for group in (seen, ~seen) for i in np.flatnonzero(group & there)[np.argsort(
        -recalls[group & there], kind='stable')]]
    places = np.arange(len(order)) + np.array([2.0 * (not seen[i]) for i in order])
    for name, group in (('seen', True), ('unseen', False)):
        own = [j for j, i in enumerate(order) if seen[i] == group]
        axis.bar(places[own], recalls[[order[j] for j in own]], color=COLOURS[name], width=0.8, label=NAMES[name])
    own = [j for j, i in enumerate(order) if not seen[i]]
    axis.plot(places[own], alone[[order[j] for j in own]], linestyle='', marker='_', markersize=7, color='0.2',
              label='among unseen classes alone')
    size = 7 if len(order) <= 60 else 4
    axis.set_xticks(places, [f'{classes[i]} ({curve["counts"][i]})' for i in order], rotation=90, fontsize=size)
    axis.set_xlim(-1, places[-1] + 1)
    axis.set_title(title, fontsize=10)
    axis.set_ylabel('recall (%)', fontsize=9)
    axis.legend(fontsize=8, frameon=False)
    tidy(axis)
    axis.tick_params(axis='x', labelsize=size, length=0)
    axis.grid(False, axis='x')
    return axis


def _percent(values: list) -> np.ndarray:
    return 100 * np.array([np.nan if value is None else value for value in values], float)
