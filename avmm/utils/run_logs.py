"""Reading back the scalars that a run has logged."""
from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from avmm.utils.errors import DataError

#: Times that training and validation both log; the lines of a validation, which name no iteration, get a prefix.
TIMES = ('time', 'data_time')
#: What a logged line says about where it stands, rather than about what was measured.
POSITION_KEYS = ('step', 'iter', 'epoch')


@dataclass
class RunLog:
    """The scalars of one run.

    Attributes:
        name: Name of the run, for legends and tables.
        curves: ``{key: {step: value}}``. The step is what the run logged with the value: the iteration for what is
            measured in training, the epoch (or the iteration, in a run by iterations) for what is measured on a
            validation split.
    """
    name: str
    curves: dict[str, dict[int, float]] = field(default_factory=dict)

    def curve(self, key: str) -> tuple[list[int], list[float]]:
        """Steps and values of ``key``, in the order of the steps.

        Raises:
            DataError: If the run never logged ``key``.
        """
        if key not in self.curves:
            raise DataError(f'{self.name}: {key!r} was never logged; it has {", ".join(sorted(self.curves))}')
        points = sorted(self.curves[key].items())
        return [step for step, _ in points], [value for _, value in points]


def find_scalars(run: str | Path) -> list[Path]:
    """The files of scalars of a run, oldest first: a file itself, or all those under a work directory.

    Each start of a run, hence each ``--resume``, has a folder of its own named by its time.

    Raises:
        DataError: If there is none.
    """
    run = Path(run)
    if run.is_file():
        return [run]
    if not run.is_dir():
        raise DataError(f'{run}: no such file or work directory')
    files = sorted(path for pattern in ('', 'vis_data/', '*/vis_data/') for path in run.glob(f'{pattern}scalars.json'))
    if not files:
        raise DataError(f'{run}: holds no vis_data/scalars.json; name the work directory of a run that has logged')
    return files


def read_run(run: str | Path, name: str | None = None) -> RunLog:
    """Read what a run logged; where a resumed run went over the same steps again, the last value counts.

    A last line that a killed run left incomplete is passed over.

    Args:
        run: Work directory, or a ``scalars.json``: one JSON object a line, such as
            ``{"loss": 2.3, "lr": 0.01, "iter": 10, "step": 10}``.
        name: Name of the run; its folder's name by default.

    Raises:
        DataError: If there is no such log, it is empty, or a line in it is not JSON.
    """
    files = find_scalars(run)
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for path in files:
        lines = path.read_text(encoding='utf-8').splitlines()
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line) if line.strip() else {}
            except json.JSONDecodeError as error:
                if number == len(lines):
                    continue
                raise DataError(f'{path}:{number}: not a JSON line: {error.msg}') from error
            step = entry.get('step', entry.get('iter', 0))
            for key, value in entry.items():
                if key in TIMES and 'iter' not in entry:
                    key = f'val/{key}'
                if key not in POSITION_KEYS and isinstance(value, (int, float)) and not isinstance(value, bool):
                    curves[key][int(step)] = float(value)
    if not curves:
        raise DataError(f'{files[-1]}: holds no scalar')
    return RunLog(name or _run_name(Path(run)), dict(curves))


def _run_name(run: Path) -> str:
    run = run.resolve()
    if run.is_file():
        run = run.parent
    if run.name == 'vis_data':
        run = run.parent.parent
    return run.name
