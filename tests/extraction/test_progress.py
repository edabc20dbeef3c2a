"""What is shown while a run goes on."""
from __future__ import annotations

import sys

from avmm.extraction.progress import Progress


def test_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr('time.monotonic', iter([0.0, 2.0, 4.0, 5.0, 6.5]).__next__)
    with Progress(40, 'shard 1/2', every=3.0) as progress:
        for i in range(4):
            progress.step(failed=i == 1)
    assert capsys.readouterr().err == 'shard 1/2: 2/40, 0.5 clips/s, 1 failed, 0:01:16 left\n'


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True, raising=False)
    with Progress(2, 'extracting') as progress:
        progress.step()
        progress.step(failed=True)
    shown = capsys.readouterr().err
    assert 'extracting' in shown and '2/2' in shown and 'clips/s, 1 failed' in shown
    with Progress(2, 'extracting', quiet=True) as progress:
        progress.step()
    assert capsys.readouterr().err == ''
