"""Pieces of a web page: what they say, and that nothing in a name becomes markup."""
from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

from avmm.visualization.html import class_bars, error_line, picture, time_line
from avmm.visualization.style import new_figure


class Balanced(HTMLParser):
    """Raises if an element is not closed where it should be."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        if tag != 'img':
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def rows(*classes: int) -> list[dict]:
    return [dict(start=float(i), end=i + 1.0, label=f'class <{c}>', index=c) for i, c in enumerate(classes)]


def test_class_bars():
    page = class_bars({'joint': [dict(label='<b>dog', score=0.75), dict(label='cat', score=1.2)],
                       'audio': [dict(label='cat', score=0.5)]})
    words = Balanced(page).words
    assert words == ['joint', '<b>dog', '0.75', 'cat', '1.20', 'audio', 'cat', '0.50']
    assert re.findall(r'width:([\d.]+)%', page) == ['75.0', '100.0', '50.0']


def test_time_line_joins_runs():
    page = time_line({'joint': rows(1, 1, 9, 2), 'audio': rows(9, 9, 9, 9)}, background=9)
    words = Balanced(page).words
    assert words[:3] == ['joint', 'class <1>', 'class <2>'] and words[-1] == '4 s' and 'class <9>' not in words
    assert re.findall(r'title="([^"]+)"', page) == [
        'class &lt;1&gt;, 0 to 2 s', 'class &lt;9&gt;, 2 to 3 s', 'class &lt;2&gt;, 3 to 4 s',
        'class &lt;9&gt;, 0 to 4 s']
    assert re.findall(r'left:([\d.]+)%;width:([\d.]+)%', page)[:3] == [
        ('0.00', '50.00'), ('50.00', '25.00'), ('75.00', '25.00')]
    assert time_line({}, 9) == '' and time_line({'joint': []}, 9) == ''
    # Of many classes the colours come as numbers.
    assert 'background:rgb(' in time_line({'joint': rows(*range(15))}, background=99)


def test_an_error_and_a_picture():
    assert Balanced(error_line('a.mp4: <script>')).words == ['a.mp4: <script>']
    figure, axes = new_figure()
    axes[0][0].plot([1, 2])
    page = picture(figure, 'a "line"')
    assert 'alt="a &quot;line&quot;"' in page
    assert base64.b64decode(re.search(r'base64,([^"]+)"', page).group(1)).startswith(b'\x89PNG')
