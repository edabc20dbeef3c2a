"""Makes the modules of the harness importable, and reports what it notes about outputs."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))


def pytest_terminal_summary(terminalreporter) -> None:
    """List the outputs whose package or real files are absent, and those off bounds that rounding decides."""
    reports = [r for kind in ('passed', 'failed') for r in terminalreporter.stats.get(kind, ())]
    lines = [value for report in reports for key, value in getattr(report, 'user_properties', ())
             if key == 'parity_note' and report.when == 'call']
    if lines:
        terminalreporter.section('parity outputs that were not compared, or miss bounds that rounding decides')
        for line in sorted(set(lines)):
            terminalreporter.write_line(line)
