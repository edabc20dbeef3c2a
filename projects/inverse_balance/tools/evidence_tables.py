"""Tables of runs with several seeds: mean, deviation, and which differences the seeds can tell."""
from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path

NAMES = {'normal': 'Normal', 'mslr': 'MSLR', 'ogmge': 'OGM-GE', 'lfm': 'LFM'}
SUFFIXES = {'': '', 'joint': ' + joint learning', 'inverse': ' + inverse'}
_NOTES = """\
Accuracy on the test split (%), mean ± standard deviation over the seeds, of the network after the last epoch. A
single modality is scored by its share of the fusion's logits. Rows of one seed start from the same weights and see
the samples in the same order, so differences are taken seed by seed; behind their ± stands half of the 95 %
confidence interval (Student's t), which has to leave out zero for a difference to be told. Nothing is corrected for
the number of comparisons.
"""


def title(row: str) -> str:
    """What a row is called in the tables."""
    method, _, variant = row.partition('_')
    return NAMES.get(method, method) + SUFFIXES.get(variant, f' + {variant}')


def accuracies(results: Sequence[dict]) -> list[str]:
    """The accuracies that all runs have, the joint one first."""
    common = set.intersection(*(set(result['metrics']) for result in results))
    keys = [k for k in results[0]['metrics'] if k in common and k.startswith('accuracy/') and '_top' not in k]
    return sorted(keys, key=lambda key: key != 'accuracy/joint')


def by_row(results: Sequence[dict], key: str) -> dict[str, dict[int, float]]:
    """``{row: {seed: value}}``."""
    table: dict[str, dict[int, float]] = {}
    for result in results:
        table.setdefault(result['row'], {})[result['seed']] = result['metrics'][key]
    return table


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation; one value has none."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def difference(one: dict[int, float], other: dict[int, float]) -> tuple[float, float | None] | None:
    """Mean of ``one - other`` over the seeds that both have, and half of its 95 % confidence interval.

    None without a common seed; the interval of one seed is None.
    """
    pairs = [one[seed] - other[seed] for seed in one if seed in other]
    if not pairs:
        return None
    mean, deviation = mean_and_deviation(pairs)
    if deviation is None:
        return mean, None
    from scipy.stats import t
    return mean, float(t.ppf(0.975, len(pairs) - 1)) * deviation / len(pairs) ** 0.5


def verdict(change: tuple[float, float | None]) -> str:
    """What a difference says in a word."""
    mean, half = change
    if half is None:
        return 'one seed cannot tell'
    if abs(mean) <= half:
        return 'does not help: no difference that the seeds can tell'
    return 'helps' if mean > 0 else 'does not help: it hurts'


def comparisons(rows: Sequence[str]) -> list[tuple[str, str]]:
    """``(row, what it is held against)``: methods against Normal, then each variant against its method alone."""
    methods = [row for row in rows if '_' not in row]
    against_normal = [(row, 'normal') for row in methods if row != 'normal' and 'normal' in methods]
    variants = [(row, row.partition('_')[0]) for row in rows if '_' in row and row.partition('_')[0] in methods]
    both = [(f'{row.partition("_")[0]}_inverse', row) for row in rows if row.endswith('_joint')]
    return against_normal + variants + [(one, other) for one, other in both if one in rows]


def cell(mean: float, spread: float | None, sign: bool = False) -> str:
    """A number and what stands behind ±."""
    return (f'{mean:+.2f}' if sign else f'{mean:.2f}') + ('' if spread is None else f' ± {spread:.2f}')


def markdown(results: Sequence[dict]) -> str:
    """Both tables and their notes."""
    keys = accuracies(results)
    tables = {key: by_row(results, key) for key in keys}
    rows = list(dict.fromkeys(result['row'] for result in results))
    heads = [key.partition('/')[2] for key in keys]
    lines = [f'| method | seeds | {" | ".join(heads)} |', '|---' * (len(keys) + 2) + '|']
    for row in rows:
        cells = [cell(*mean_and_deviation(list(tables[key][row].values()))) for key in keys]
        lines.append(f'| {title(row)} | {len(tables[keys[0]][row])} | {" | ".join(cells)} |')
    told = []
    for one, other in comparisons(rows):
        changes = [difference(tables[key][one], tables[key][other]) for key in keys]
        if None not in changes:
            cells = [cell(*change, sign=True) for change in changes]
            told.append(f'| {title(one)} − {title(other)} | {" | ".join(cells)} | {verdict(changes[0])} |')
    if told:
        lines += ['', f'| difference | {" | ".join(heads)} | joint accuracy |', '|---' * (len(keys) + 2) + '|', *told]
    seconds = [result['seconds'] for result in results]
    lines += ['', _NOTES.rstrip(), f'A run trained for {statistics.fmean(seconds):.0f} s on average, '
              f'{max(seconds):.0f} s at most.']
    return '\n'.join(lines) + '\n'


def as_csv(lines: Sequence[Sequence]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(lines)
    return text.getvalue()


def write_tables(folder: Path, results: Sequence[dict]) -> tuple[str, list[Path]]:
    """Write ``evidence.md``, ``evidence.csv`` (mean and deviation) and ``runs.csv`` (every run) in one step each.

    Args:
        folder: Where to.
        results: ``{'row', 'seed', 'seconds', 'metrics'}`` of each finished run; one or more.

    Returns:
        The markdown, and the paths.
    """
    from avmm.engine.checkpoint import write_atomically
    keys = accuracies(results)
    tables = {key: by_row(results, key) for key in keys}
    means = [['row', 'seeds', *[f'{key}_{what}' for key in keys for what in ('mean', 'deviation')]]]
    for row in tables[keys[0]]:
        values = [mean_and_deviation(list(tables[key][row].values())) for key in keys]
        means.append([row, len(tables[keys[0]][row]), *['' if v is None else v for pair in values for v in pair]])
    runs = [['row', 'seed', *keys, 'seconds']]
    runs += [[r['row'], r['seed'], *[r['metrics'][key] for key in keys], r['seconds']] for r in results]
    contents = {'evidence.md': markdown(results), 'evidence.csv': as_csv(means), 'runs.csv': as_csv(runs)}
    for name, text in contents.items():
        with write_atomically(folder / name) as file:
            file.write(text.encode())
    return contents['evidence.md'], [folder / name for name in contents]
