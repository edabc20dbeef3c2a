"""Class bars and time lines as pieces of a web page: text that can be read, searched and tested, and no script."""
from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from avmm.visualization.style import class_colours, colour_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The look of what this module makes; it belongs into the page once.
STYLE = """
.avmm-kinds { display: flex; flex-wrap: wrap; gap: 1.2em; }
.avmm-kind { flex: 1 1 8em; min-width: 8em; }
.avmm-kind h4 { margin: 0 0 .4em; }
.avmm-bar { position: relative; margin: .2em 0; padding: .15em .5em; border-radius: 3px; background: #8882;
            display: flex; justify-content: space-between; overflow: hidden; }
.avmm-bar i { position: absolute; inset: 0 auto 0 0; opacity: .35; }
.avmm-bar span { position: relative; }
.avmm-error { color: #b42318; font-weight: 600; }
.avmm-track { position: relative; height: 1.7em; margin: .25em 0; }
.avmm-track div { position: absolute; top: 0; bottom: 0; border-radius: 3px; overflow: hidden; white-space: nowrap;
                  text-overflow: ellipsis; padding: .15em .4em; box-sizing: border-box; border: 1px solid #fff; }
.avmm-scale { display: flex; justify-content: space-between; font-size: .8em; opacity: .7; }
"""


def class_bars(top: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Bars of the best classes, a column for each kind of score.

    Args:
        top: ``{'joint': [{'label': str, 'score': float}], modality: ...}``, as inferencers give it.
    """
    columns = []
    for place, (kind, rows) in enumerate(top.items()):
        colour = colour_of(kind, place)
        bars = ''.join(_bar(str(row['label']), row['score'], colour) for row in rows)
        columns.append(f'<div class="avmm-kind" data-kind="{escape(kind)}"><h4 style="color:{colour}">'
                       f'{escape(kind)}</h4>{bars}</div>')
    return f'<div class="avmm-kinds">{"".join(columns)}</div>'


def _bar(label: str, score: float, colour: str) -> str:
    filled = f'<i style="width:{100 * min(max(score, 0), 1):.1f}%;background:{colour}"></i>'
    return f'<div class="avmm-bar">{filled}<span>{escape(label)}</span><span>{score:.2f}</span></div>'


def time_line(segments: Mapping[str, Sequence[Mapping[str, Any]]], background: int) -> str:
    """A row for each kind of prediction, with a box for every run of segments of one class.

    Args:
        segments: ``{'joint': [{'start': s, 'end': s, 'label': str, 'index': int}], modality: ...}``.
        background: Index of the background, whose boxes are grey and empty.
    """
    end = max((row['end'] for rows in segments.values() for row in rows), default=0)
    if not end:
        return ''
    seen = list(dict.fromkeys(r['index'] for rows in segments.values() for r in rows if r['index'] != background))
    colours = dict(zip(seen, class_colours(len(seen)), strict=True))
    tracks = []
    for kind, rows in segments.items():
        boxes = ''.join(_box(run, end, background, colours) for run in _runs(rows))
        tracks.append(f'<small>{escape(kind)}</small><div class="avmm-track" data-kind="{escape(kind)}">{boxes}</div>')
    scale = ''.join(f'<span>{end * i / 5:g} s</span>' for i in range(6))
    return f'<div class="avmm-time-line">{"".join(tracks)}<div class="avmm-scale">{scale}</div></div>'


def error_line(message: str) -> str:
    """An error, for the user to read."""
    return f'<p class="avmm-error" role="alert">{escape(message)}</p>'


def picture(figure: Figure, words: str, dpi: int = 110) -> str:
    """A figure inside the page itself, so that no file of it is left.

    Args:
        figure: The figure.
        words: What it shows, for those who cannot see it.
        dpi: Pixels an inch.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=dpi)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(words)}" style="max-width:100%">'


def _runs(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    for row in rows:
        if runs and runs[-1]['index'] == row['index']:
            runs[-1]['end'] = row['end']
        else:
            runs.append(dict(row))
    return runs


def _box(run: Mapping[str, Any], end: float, background: int, colours: Mapping[int, Any]) -> str:
    quiet = run['index'] == background
    colour = '#e6e6e6' if quiet else colours[run['index']]
    if not isinstance(colour, str):
        colour = f'rgb({",".join(str(round(255 * c)) for c in colour)})'
    times = f'{escape(str(run["label"]))}, {run["start"]:g} to {run["end"]:g} s'
    words = '' if quiet else escape(str(run['label']))
    return (f'<div title="{times}" style="left:{100 * run["start"] / end:.2f}%;'
            f'width:{100 * (run["end"] - run["start"]) / end:.2f}%;background:{colour};color:#fff">{words}</div>')
