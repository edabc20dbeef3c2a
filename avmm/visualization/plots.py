"""Drawing onto given axes: curves, confusion matrices, samples, embeddings, class scores."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avmm.evaluation.functional import Array, as_numpy
from avmm.utils import ConfigError
from avmm.visualization.style import bare, class_colours, colour_of, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_curves(axis: Axes, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str = '',
                xlabel: str = 'epoch', ylabel: str = '') -> Axes:
    """Lines with a marker a point, if there are few.

    Args:
        axis: Where to draw.
        curves: ``{name: (x, y)}``; ``joint``, ``audio`` and ``visual`` have colours of their own.
        title: Title.
        xlabel: What x counts.
        ylabel: What y measures.
    """
    for i, (name, (x, y)) in enumerate(curves.items()):
        axis.plot(x, y, label=name, color=colour_of(name, i), linewidth=2.2 if name == 'joint' else 1.6,
                  marker='o' if len(x) <= 40 else None, markersize=3.5)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(xlabel, fontsize=9)
    axis.set_ylabel(ylabel, fontsize=9)
    axis.xaxis.get_major_locator().set_params(integer=True)
    if len(curves) > 1:
        axis.legend(fontsize=8, frameon=False)
    return tidy(axis)


def draw_confusion_matrix(axis: Axes, matrix: Array, classes: Sequence[str] | None = None, title: str = '',
                          normalise: bool = True, numbers: bool | None = None) -> Axes:
    """Shades of the share of each true class that was taken for each class.

    Args:
        axis: Where to draw.
        matrix: Counts ``(C, C)``, the true class in the row.
        classes: Names of the classes.
        title: Title.
        normalise: Whether to divide each row by its sum.
        numbers: Whether to write the values; None does so for up to 20 classes.

    Raises:
        ConfigError: If the matrix is not square, or the names do not fit it.
    """
    counts = as_numpy(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ConfigError(f'a confusion matrix has the shape (C, C), got {counts.shape}')
    size = len(counts)
    if classes is not None and len(classes) != size:
        raise ConfigError(f'{len(classes)} class names for a confusion matrix of {size} classes')
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1) if normalise else counts
    top = 1 if normalise else max(float(shares.max()), 1)
    image = axis.imshow(shares, cmap='Blues', vmin=0, vmax=top, interpolation='nearest')
    axis.figure.colorbar(image, ax=axis, fraction=0.046, pad=0.04).ax.tick_params(labelsize=7)
    if numbers if numbers is not None else size <= 20:
        for row, column in np.argwhere(counts > 0):
            value = shares[row, column]
            axis.text(column, row, f'{100 * value:.0f}' if normalise else f'{value:g}', ha='center', va='center',
                      fontsize=7, color='white' if value > 0.6 * top else 'black')
    names = [str(c) for c in (classes if classes is not None else range(size))]
    # Names of many classes would cover each other: every second, third and so on is written.
    shown = range(0, size, max(1, size // 40))
    axis.set_xticks(list(shown), [names[i] for i in shown], rotation=90, fontsize=7)
    axis.set_yticks(list(shown), [names[i] for i in shown], fontsize=7)
    axis.set_xlabel('predicted', fontsize=9)
    axis.set_ylabel('true', fontsize=9)
    axis.set_title(title + (' (%)' if normalise else ''), fontsize=10)
    return axis


def draw_embedding(axis: Axes, points: Array, labels: Array, classes: Sequence[str] | None = None,
                   title: str = '', legend: bool = True) -> Axes:
    """Points of the plane, one colour a class.

    Args:
        axis: Where to draw.
        points: ``(N, 2)``.
        labels: Class indices ``(N,)``.
        classes: Names of the classes.
        title: Title.
        legend: Whether to name the colours beside the axes; done for up to 40 classes.

    Raises:
        ConfigError: If the shapes do not fit.
    """
    points, labels = as_numpy(points), as_numpy(labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != points.shape[:1]:
        raise ConfigError(f'an embedding has points (N, 2) and labels (N,), got {points.shape} and {labels.shape}')
    seen = np.unique(labels)
    for colour, label in zip(class_colours(len(seen)), seen, strict=True):
        own = points[labels == label]
        axis.scatter(own[:, 0], own[:, 1], s=8, color=[colour], linewidths=0,
                     label=str(classes[label] if classes is not None else label))
    if legend and len(seen) <= 40:
        axis.legend(loc='center left', bbox_to_anchor=(1, 0.5), fontsize=7, markerscale=2, frameon=False)
    return bare(axis, title)


def draw_spectrogram(axis: Axes, spectrogram: Array, title: str = 'audio') -> Axes:
    """A spectrogram ``(1, F, T)`` or ``(F, T)``, low frequencies below."""
    image = as_numpy(spectrogram)
    axis.imshow(image.reshape(image.shape[-2:]), origin='lower', aspect='auto', cmap='magma')
    axis.set_xlabel('time', fontsize=8)
    axis.set_ylabel('frequency', fontsize=8)
    return bare(axis, title)


def draw_waveform(axis: Axes, waveform: Array, title: str = 'audio') -> Axes:
    """A waveform ``(channels, L)`` or ``(L,)``, its channels averaged."""
    samples = as_numpy(waveform)
    axis.plot(samples.reshape(-1, samples.shape[-1]).mean(0), color=colour_of('audio'), linewidth=0.6)
    axis.set_ylim(-1, 1)
    axis.set_title(title, fontsize=9)
    return tidy(axis)


def to_pictures(frames: Array | Sequence) -> np.ndarray:
    """Frames as something to look at, ``(T, H, W, 3)`` uint8.

    Args:
        frames: A tensor ``(3, T, H, W)`` or ``(3, H, W)`` as a data pipeline gives it, or a list of ``(H, W, 3)``
            images. Floats are taken for 0 to 1 or 0 to 255, and are stretched over the whole range if they are
            normalised, which negative values tell.
    """
    if isinstance(frames, (list, tuple)):
        array = np.stack([as_numpy(frame) for frame in frames])
    else:
        array = as_numpy(frames)
        array = array[:, None] if array.ndim == 3 else array
        array = array.transpose(1, 2, 3, 0)
    if array.dtype == np.uint8:
        return array
    array = array.astype(np.float32)
    low, high = float(array.min()), float(array.max())
    if low < 0:
        array = (array - low) / max(high - low, 1e-8)
    elif high > 1:
        array = array / 255
    return np.round(np.clip(array, 0, 1) * 255).astype(np.uint8)


def draw_frames(axis: Axes, frames: Array | Sequence, title: str = 'visual', most: int = 8) -> Axes:
    """Up to ``most`` frames side by side, spread over the clip; see :func:`to_pictures` for their form."""
    pictures = to_pictures(frames)
    chosen = np.linspace(0, len(pictures) - 1, min(most, len(pictures))).round().astype(int)
    gap = np.full((pictures.shape[1], max(1, pictures.shape[2] // 32), 3), 255, np.uint8)
    strip = [part for i in chosen for part in (gap, pictures[i])][1:]
    axis.imshow(np.concatenate(strip, axis=1))
    note = f' ({len(chosen)} of {len(pictures)} frames)' if len(chosen) < len(pictures) else ''
    return bare(axis, title + note)


def draw_sample(axes: Sequence[Axes], inputs: Mapping[str, Array]) -> None:
    """A sample's modalities side by side, each on one of the axes.

    Args:
        axes: As many as there are modalities.
        inputs: ``{modality: what a pipeline gives}``: ``visual`` frames ``(3, T, H, W)``; ``audio`` a spectrogram
            ``(1, F, T)``, or a waveform ``(channels, L)`` of more than 512 samples.
    """
    for axis, (name, value) in zip(axes, inputs.items(), strict=True):
        shape = np.shape(value)
        if name == 'visual' or isinstance(value, (list, tuple)) or (len(shape) >= 3 and shape[0] == 3):
            draw_frames(axis, value, title=name)
        elif len(shape) == 1 or (len(shape) == 2 and shape[0] <= 8 and shape[1] > 512):
            draw_waveform(axis, value, title=name)
        else:
            draw_spectrogram(axis, value, title=name)


def draw_class_scores(axis: Axes, scores: Mapping[str, Array], classes: Sequence[str] | None = None,
                      truth: Sequence[int] = (), most: int = 5, title: str = '') -> Axes:
    """Bars of the best classes, one a modality and class, the true classes marked.

    Args:
        axis: Where to draw.
        scores: ``{'joint': (C,), modality: (C,)}``.
        classes: Names of the classes.
        truth: Indices of the true classes.
        most: Number of classes to show: the true ones, then those with the best score of any kind.
        title: Title.
    """
    arrays = {name: as_numpy(value).astype(np.float64) for name, value in scores.items()}
    best = np.argsort(-np.max(list(arrays.values()), axis=0), kind='stable')
    shown = [*truth, *(int(c) for c in best if c not in truth)][:max(most, len(truth))]
    height = 0.8 / len(arrays)
    places = np.arange(len(shown))
    for i, (name, values) in enumerate(arrays.items()):
        axis.barh(places + (i - (len(arrays) - 1) / 2) * height, values[shown], height, label=name,
                  color=colour_of(name, i))
    names = [str(classes[c] if classes is not None else c) for c in shown]
    axis.set_yticks(places, [f'{n} (true)' if c in truth else n for n, c in zip(names, shown, strict=True)])
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_title(title, fontsize=9)
    tidy(axis, grid=False)
    axis.legend(fontsize=7, frameon=False, loc='lower right')
    return axis
