"""Makes the modules of the harness importable, and reports outputs that could not be compared."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))


def pytest_terminal_summary(terminalreporter) -> None:
    """List the outputs whose package or real files are absent."""
    reports = [r for kind in ('passed', 'failed') for r in terminalreporter.stats.get(kind, ())]
    lines = [value for report in reports for key, value in getattr(report, 'user_properties', ())
             if key == 'parity_not_compared' and report.when == 'call']
    if lines:
        terminalreporter.section('parity outputs that were not compared')
        for line in sorted(set(lines)):
            terminalreporter.write_line(line)
