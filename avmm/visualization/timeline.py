"""Events on a time line: what is true, what a model says, how sure it is, and where it looks."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avmm.evaluation.functional import Array, as_numpy
from avmm.utils import ConfigError
from avmm.visualization.style import bare, class_colours, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avmm.structures import AVDataSample

TRUTH = 'truth'
_NOTHING = '#e6e6e6'
# Inches: width of the picture, of the part right of the names of the tracks, and of a letter.
_WIDTH, _PLOT, _LETTER = 10.0, 8.9, 0.068


def segment_colours(labels: Sequence[Array], background: int) -> dict[int, str]:
    """Colours of the classes of some tracks, in the order of their first appearance; background is a light grey.

    Args:
        labels: Classes of the segments of each track, ``(S,)`` each.
        background: Index of the background.
    """
    seen = list(dict.fromkeys(int(c) for track in labels for c in as_numpy(track) if int(c) != background))
    return {**dict(zip(seen, class_colours(len(seen)), strict=True)), background: _NOTHING}


def draw_segments(axis: Axes, tracks: Mapping[str, Array], classes: Sequence[str], background: int,
                  confidences: Mapping[str, Array] | None = None, seconds: float = 1.0) -> Axes:
    """One row a track, one box a run of segments of one class, with its name as far as there is room.

    Segments that differ from the track ``truth`` are hatched.

    Args:
        axis: Where to draw.
        tracks: ``{name: classes (S,)}``, drawn from top to bottom.
        classes: Names of the classes.
        background: Index of the background, whose boxes are grey.
        confidences: ``{track: probabilities (S,)}``, written into the segments.
        seconds: Length of a segment (s).

    Raises:
        ConfigError: If tracks have unequal numbers of segments.
    """
    tracks = {name: as_numpy(labels) for name, labels in tracks.items()}
    lengths = {name: len(labels) for name, labels in tracks.items()}
    if len(set(lengths.values())) != 1:
        raise ConfigError(f'the tracks must have equal numbers of segments, got {lengths}')
    size = next(iter(lengths.values()))
    colours = segment_colours(list(tracks.values()), background)
    for row, (name, labels) in enumerate(tracks.items()):
        sure = (confidences or {}).get(name)
        wrong = np.zeros(size, bool) if name == TRUTH or TRUTH not in tracks else labels != tracks[TRUTH]
        for begin, end in _runs(labels, wrong):
            label = int(labels[begin])
            box = dict(y=row, width=(end - begin) * seconds, height=0.84, left=begin * seconds)
            axis.barh(**box, color=colours[label], edgecolor='white', linewidth=1.5)
            if wrong[begin]:
                axis.barh(**box, color='none', edgecolor='0.6' if label == background else 'white', linewidth=0,
                          hatch='////')
            words = str(classes[label])
            named = len(words) <= (end - begin) * _PLOT / size / _LETTER - 1
            if named:
                lift = 0 if sure is None else 0.17
                _write(axis, (begin + end) / 2 * seconds, row - lift, words, colours[label], 8)
            for i in range(begin, end) if sure is not None else ():
                number = f'{float(sure[i]):.2f}'.removeprefix('0')
                _write(axis, (i + 0.5) * seconds, row + (0.2 if named else 0), number, colours[label], 7)
    axis.set_yticks(range(len(tracks)), list(tracks))
    axis.set_ylim(len(tracks) - 0.45, -0.55)
    axis.set_xlim(0, size * seconds)
    tidy(axis, grid=False)
    axis.spines['left'].set_visible(False)
    axis.tick_params(axis='y', length=0)
    return axis


def draw_segment_scores(axis: Axes, scores: Array, colours: Mapping[int, str], classes: Sequence[str],
                        background: int, seconds: float = 1.0) -> Axes:
    """How probable some classes are over time.

    Args:
        axis: Where to draw.
        scores: Probabilities ``(S, C)``.
        colours: ``{class: colour}`` of the classes to draw; the background is dashed.
        classes: Names of the classes.
        background: Index of the background.
        seconds: Length of a segment (s).
    """
    scores = as_numpy(scores)
    edges = np.arange(len(scores) + 1) * seconds
    for label, colour in colours.items():
        quiet = label == background
        axis.stairs(scores[:, label], edges, baseline=None, color='0.45' if quiet else colour, linewidth=1.8,
                    linestyle='--' if quiet else '-', label=str(classes[label]))
    axis.set_xlim(0, edges[-1])
    axis.set_ylim(-0.03, 1.03)
    axis.set_ylabel('probability', fontsize=8)
    return tidy(axis)


def draw_segment_pictures(axis: Axes, pictures: Array, name: str = '', seconds: float = 1.0) -> Axes:
    """One picture a segment, each above its place in time.

    Args:
        axis: Where to draw.
        pictures: RGB ``(S, H, W, 3)``.
        name: What they show, written where other tracks have their names.
        seconds: Length of a segment (s).
    """
    pictures = as_numpy(pictures)
    for i, picture in enumerate(pictures):
        axis.imshow(picture, extent=((i + 0.03) * seconds, (i + 0.97) * seconds, 0, 1), aspect='auto')
    axis.set_xlim(0, len(pictures) * seconds)
    axis.set_ylim(0, 1)
    bare(axis)
    axis.set_yticks([0.5], [name])
    axis.tick_params(axis='y', length=0, labelsize=8)
    return axis


def event_timeline(tracks: Mapping[str, Array], classes: Sequence[str], background: int, scores: Array | None = None,
                   pictures: Array | None = None, pictures_name: str = 'attention', title: str = '',
                   seconds: float = 1.0) -> Figure:
    """A picture of one video: pictures of its segments, its tracks, and the probabilities over time.

    Args:
        tracks: ``{name: classes (S,)}``; ``truth`` is what the others are compared with, and ``joint`` what the
            scores belong to.
        classes: Names of the C classes.
        background: Index of the background.
        scores: Probabilities ``(S, C)`` of the joint prediction.
        pictures: RGB ``(S, H, W, 3)``, a frame or an attention map a segment.
        pictures_name: What the pictures show.
        title: Title.
        seconds: Length of a segment (s).

    Raises:
        ConfigError: If the scores or the pictures are not those of the tracks' segments.
    """
    from avmm.visualization.style import new_figure
    size = len(next(iter(tracks.values())))
    for name, rows in (('scores', scores), ('pictures', pictures)):
        if rows is not None and len(rows) != size:
            raise ConfigError(f'{len(rows)} {name} for {size} segments')
    heights = {'pictures': None if pictures is None else _PLOT / size * 0.94 * pictures.shape[1] / pictures.shape[2],
               'tracks': 0.46 * len(tracks) + 0.1, 'scores': None if scores is None else 1.15}
    heights = {name: height for name, height in heights.items() if height is not None}
    total = sum(heights.values()) + 1.15
    figure, axes = new_figure(len(heights), 1, size=(_WIDTH, total / len(heights)),
                              gridspec_kw=dict(height_ratios=list(heights.values())))
    place = {name: axis[0] for name, axis in zip(heights, axes, strict=True)}
    if pictures is not None:
        draw_segment_pictures(place['pictures'], pictures, pictures_name, seconds)
    sure = None
    colours = segment_colours(list(tracks.values()), background)
    if scores is not None:
        scores = as_numpy(scores)
        sure = {'joint': scores[np.arange(size), as_numpy(tracks['joint'])]}
        draw_segment_scores(place['scores'], scores, colours, classes, background, seconds)
    draw_segments(place['tracks'], tracks, classes, background, sure, seconds)
    last = place['scores' if scores is not None else 'tracks']
    for axis in place.values():
        if axis is not place.get('pictures'):
            axis.set_xticks(np.arange(size + 1) * seconds)
            axis.tick_params(axis='x', labelbottom=axis is last)
    last.set_xlabel('time (s)', fontsize=9)
    figure.suptitle(title, fontsize=10)
    figure.legend(handles=_legend(colours, classes, tracks), loc='outside lower center', ncols=4, fontsize=8,
                  frameon=False)
    return figure


def sample_timeline(sample: AVDataSample, classes: Sequence[str] = (), pictures: Array | None = None,
                    pictures_name: str = 'attention', seconds: float = 1.0) -> Figure:
    """:func:`event_timeline` of a sample with ``pred_segments``, and whatever else is known of it.

    Args:
        sample: The sample, with its predictions.
        classes: Names of the classes, the background last; numbers stand for those that are missing.
        pictures: See :func:`event_timeline`.
        pictures_name: The same.
        seconds: The same.
    """
    alone, scores = sample.get('unimodal_segments') or {}, sample.get('pred_segment_scores')
    tracks = {} if sample.get('gt_segments') is None else {TRUTH: as_numpy(sample.gt_segments)}
    tracks |= {'joint': as_numpy(sample.pred_segments), **{m: as_numpy(labels) for m, labels in alone.items()}}
    seen = 1 + max(int(labels.max(initial=0)) for labels in tracks.values())
    names = [*classes, *map(str, range(len(classes), seen if scores is None else scores.shape[1]))]
    title = str(sample.get('sample_id', ''))
    if TRUTH in tracks:
        right = (tracks[TRUTH] == tracks['joint']).sum()
        title += f': {right} of {len(tracks[TRUTH])} segments right'
    return event_timeline(tracks, names, len(names) - 1, scores, pictures, pictures_name, title, seconds)


def _legend(colours: Mapping[int, str], classes: Sequence[str], tracks: Mapping[str, Array]) -> list:
    from matplotlib.patches import Patch
    handles = [Patch(color=colour, label=str(classes[label])) for label, colour in colours.items()]
    if TRUTH in tracks and len(tracks) > 1:
        handles.append(Patch(facecolor='white', edgecolor='0.4', hatch='////', label='differs from the truth'))
    return handles


def _runs(labels: np.ndarray, wrong: np.ndarray) -> list[tuple[int, int]]:
    """First and one past the last segment of each run of one label that is right, or wrong, throughout."""
    changes = np.flatnonzero((np.diff(labels) != 0) | (np.diff(wrong.astype(np.int8)) != 0)) + 1
    edges = [0, *(int(i) for i in changes), len(labels)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def _ink(colour: str) -> str:
    """Black or white, whichever can be read on a colour."""
    from matplotlib.colors import to_rgb
    red, green, blue = to_rgb(colour)
    return 'black' if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else 'white'


def _write(axis: Axes, x: float, y: float, words: str, ground: str, fontsize: float) -> None:
    """Words on a box, with its colour around them, so that hatching does not cross them."""
    axis.text(x, y, words, ha='center', va='center', fontsize=fontsize, color=_ink(ground), clip_on=True,
              bbox=dict(facecolor=ground, edgecolor='none', pad=1.2))
