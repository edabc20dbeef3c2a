"""A run in several processes that need not know of each other: each writes a part, and the parts become one store."""
from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avmm.datasets.feature_store import FeatureStore
from avmm.datasets.feature_store_writer import merge
from avmm.extraction.report import Report
from avmm.utils import ConfigError, DataError


@dataclass(frozen=True)
class Shard:
    """Every ``count``-th clip from number ``index`` on.

    Raises:
        ConfigError: If ``index`` is not below ``count``.
    """
    index: int = 0
    count: int = 1

    def __post_init__(self):
        if not 0 <= self.index < self.count:
            raise ConfigError(f'shard {self.index}/{self.count}: shards are counted from 0/{self.count} to '
                              f'{self.count - 1}/{self.count}')

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``'3/8'``.

        Raises:
            ConfigError: If it is something else.
        """
        found = re.fullmatch(r'(\d+)/(\d+)', text)
        if not found:
            raise ConfigError(f'--shard {text}: is written as in 0/8, 1/8, ... 7/8')
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of_process(cls, environ: Mapping[str, str], text: str | None = None) -> Shard:
        """The shard of this process: of the command line or a slurm array task, divided among its ``torchrun`` ranks.

        Args:
            environ: Environment variables: ``SLURM_ARRAY_TASK_ID`` with ``_MIN``, ``_STEP`` and ``_COUNT``, and
                ``RANK`` with ``WORLD_SIZE``.
            text: What the command line says, such as ``'3/8'``; it comes before slurm.

        Raises:
            ConfigError: If they make no sense.
        """
        try:
            if text is not None:
                outer = cls.parse(text)
            elif 'SLURM_ARRAY_TASK_ID' in environ:
                first, step = int(environ.get('SLURM_ARRAY_TASK_MIN', 0)), int(environ.get('SLURM_ARRAY_TASK_STEP', 1))
                outer = cls((int(environ['SLURM_ARRAY_TASK_ID']) - first) // step,
                            int(environ['SLURM_ARRAY_TASK_COUNT']))
            else:
                outer = cls()
            ranks = int(environ.get('WORLD_SIZE', 1))
            return cls(outer.index * ranks + int(environ.get('RANK', 0)), outer.count * ranks)
        except (KeyError, ValueError, ZeroDivisionError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f'the environment does not say which shard this is ({error}); give --shard i/n') \
                from None

    @property
    def stem(self) -> str:
        """Name of its files."""
        return f'{self.index:04d}-of-{self.count:04d}'


class Layout:
    """The files of a run beside the store.

    Args:
        out: The store.
        shard: The shard of this process.
    """

    def __init__(self, out: str | os.PathLike, shard: Shard):
        self.out, self.shard = Path(out), shard
        self.folder = Path(f'{out}.shards')
        self.report = self.out.with_name(f'{self.out.stem}.report.json')

    @property
    def target(self) -> Path:
        """What this process writes: the store, or its part of it where there are others, or an older store."""
        alone = self.shard.count == 1 and not self.out.exists() and not self.folder.exists()
        return self.out if alone else self.folder / f'{self.shard.stem}.h5'

    def report_of(self, target: Path) -> Path:
        """Report on what is written to ``target``."""
        return self.report if target == self.out else target.with_suffix('.json')

    def check(self, resume: bool, overwrite: bool) -> None:
        """See to it that the run neither mixes with another nor destroys one.

        Raises:
            DataError: If there is a store, or the beginning of one, that this run must not touch.
            ConfigError: If the run was begun with another number of shards.
        """
        part = Path(f'{self.out}.part')
        if self.out.exists() and not (resume or overwrite):
            raise DataError(f'{self.out} exists; --resume adds what it lacks, --overwrite replaces it')
        counts = {int(found[1]) for path in (self.folder.iterdir() if self.folder.is_dir() else ())
                  if (found := re.match(r'\d+-of-(\d+)\.', path.name))}
        begun = 1 if part.exists() and not self.folder.exists() else next(iter(counts - {self.shard.count}), None)
        if begun not in (None, self.shard.count):
            raise ConfigError(f'{self.out} was begun in {begun} shards, and this is one of {self.shard.count}; go on '
                              f'with --shard i/{begun}, or remove {(self.folder if counts else part).name}')
        if not resume:
            mine = [*self.folder.glob(f'{self.shard.stem}.*')]
            if self.shard.count == 1 and part.exists():
                if not overwrite:
                    raise DataError(f'{part} holds an unfinished run; --resume goes on with it, --overwrite begins '
                                    'anew')
                shutil.rmtree(part)
            if mine:
                raise DataError(f'{self.folder} holds an unfinished run; --resume goes on with it, or remove it')


def merge_shards(layout: Layout, order: Sequence[str], resume: bool) -> Report | None:
    """Make one store of the shards, if all of them are through; whoever is last does.

    Args:
        layout: The files.
        order: Names of all items in their final order.
        resume: Whether the items of an older store stay.

    Returns:
        The report on the whole; None if shards are missing, or another process has done it.
    """
    with _locked(layout.folder) as there:
        if not there or unfinished(layout):
            return None
        stems = [Shard(i, layout.shard.count).stem for i in range(layout.shard.count)]
        total = Report.of_shards(str(layout.out), [Report.read(layout.folder / f'{stem}.json') for stem in stems])
        total.write(layout.report)
        old = [layout.out] if resume and layout.out.exists() else []
        new = [path for stem in stems if (path := layout.folder / f'{stem}.h5').exists()]
        total.complete = bool(old or new)
        if new:
            there = [key for path in [*old, *new] for key in FeatureStore(path).keys]
            known, present = set(order), set(there)
            keys = [key for key in order if key in present]
            keys += [key for key in dict.fromkeys(there) if key not in known]
            total.content_key = merge([*old, *new], layout.out, keys, overwrite=True, replace=True)
        elif old:
            total.content_key = FeatureStore(layout.out).content_key
        total.write(layout.report)
        shutil.rmtree(layout.folder)
        return total


def unfinished(layout: Layout) -> list[int]:
    """Numbers of the shards that are not through."""
    reports = [Report.read(layout.folder / f'{Shard(i, layout.shard.count).stem}.json')
               for i in range(layout.shard.count)]
    return [i for i, report in enumerate(reports) if report is None or not report.complete]


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder of shards; gives whether the folder is there still."""
    import fcntl  # not on every platform
    try:
        lock = open(folder / 'lock', 'ab')  # noqa: SIM115 - closed below
    except FileNotFoundError:
        yield False
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder.exists()
