"""What all metrics on per-sample values share: stacking them, gathering all ranks, dropping what fills the last round.
"""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from mmengine.dist import broadcast_object_list, collect_results, get_world_size, is_main_process
from mmengine.evaluator import BaseMetric
from torch import Tensor

from avmm.utils import ConfigError, DataError


@dataclass
class Table:
    """Values of some samples.

    Attributes:
        size: Number of samples.
        columns: ``{name: (size, ...)}``. Rows of samples that lack the value hold zeros.
        present: ``{name: (size,)}`` bool, for the columns that a sample may lack.
    """
    size: int
    columns: dict[str, Tensor]
    present: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, rows: Sequence[Tensor | None]) -> None:
        """Add a column of which some rows, not all of them, may be None."""
        like = next(row for row in rows if row is not None)
        self.columns[name] = torch.stack([torch.zeros_like(like) if row is None else row for row in rows]).detach()
        self.present[name] = torch.tensor([row is not None for row in rows])

    def take(self, rows: slice | Tensor) -> Table:
        """Some of the samples, by a slice or by their indices."""
        return Table(len(range(self.size)[rows]) if isinstance(rows, slice) else len(rows),
                     {n: c[rows] for n, c in self.columns.items()}, {n: p[rows] for n, p in self.present.items()})

    @staticmethod
    def join(tables: Sequence[Table]) -> Table | None:
        """One table of several, on the CPU; a column that one of them lacks altogether gets rows of zeros.

        Raises:
            DataError: If rows of a column have unequal shapes.
        """
        if not tables:
            return None
        like = {name: column for table in tables for name, column in table.columns.items()}
        optional = {name for table in tables for name in table.present}
        joined = Table(sum(table.size for table in tables), {})
        for name, column in like.items():
            shapes = {tuple(table.columns[name].shape[1:]) for table in tables if name in table.columns}
            if len(shapes) > 1:
                shown = ', '.join(map(str, sorted(shapes)))
                raise DataError(f'samples have {name.strip()} of unequal shapes: {shown}')
            joined.columns[name] = torch.cat([
                table.columns[name] if name in table.columns else column.new_zeros(table.size, *column.shape[1:])
                for table in tables]).cpu()
            if name in optional:
                joined.present[name] = torch.cat([
                    table.present.get(name, torch.full((table.size, ), name in table.columns)) for table in tables])
        return joined


class TableMetric(BaseMetric):
    """Base of metrics on a few tensors a sample.

    The values of a batch are stacked once and stay on their device until the end of the epoch. With several ranks,
    rank r of R holds the samples r, r + R, r + 2R and so on; what a sampler added to fill the last round is dropped.

    A subclass implements :meth:`collect` and :meth:`measure_table`.
    """

    @abstractmethod
    def collect(self, samples: list[dict]) -> Table:
        """The table of a batch; all batches have the same columns, up to those that samples may lack."""

    @abstractmethod
    def measure_table(self, table: Table) -> dict[str, float]:
        """Values of the whole data set by name, without prefix."""

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Stack the values of a batch; ``data_batch`` is not used."""
        samples = list(data_samples)
        if samples:
            self.results.append(self.collect(samples))

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather all ranks and measure.

        Args:
            size: Number of samples of the data set, without those that a sampler added.

        Returns:
            Values by name, prefix included; the same on every rank.

        Raises:
            DataError: If no batch was processed.
        """
        parts = collect_results([Table.join(self.results)], get_world_size(), self.collect_device, self.collect_dir)
        self.results.clear()
        # An error of the main rank reaches all ranks, which would wait for ever otherwise.
        outcome: list = [None]
        if is_main_process():
            try:
                outcome[0] = self.compute_metrics([_in_order(parts, size)])
            except (ConfigError, DataError) as error:
                outcome[0] = error
        broadcast_object_list(outcome)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return {f'{self.prefix}/{name}' if self.prefix else name: value for name, value in outcome[0].items()}

    def compute_metrics(self, results: list[Table | None]) -> dict[str, float]:
        """Measure what :meth:`process` has stacked."""
        table = Table.join([part for part in results if part is not None])
        if table is None:
            raise DataError(f'{type(self).__name__}: there are no predictions; is the data set empty?')
        return self.measure_table(table)

    def stacked(self, samples: list[dict], name: str, remedy: str) -> Tensor:
        """The field ``name`` of all samples, ``(B, ...)``.

        Args:
            samples: A batch.
            name: Name of the field.
            remedy: What to do about a sample without it.

        Raises:
            DataError: If a sample lacks it, or it has another shape than in the first one.
        """
        rows = []
        for sample in samples:
            value, who = sample.get(name), f'{type(self).__name__}: sample {sample.get("sample_id", "?")}'
            if value is None:
                raise DataError(f'{who} has no {name}; {remedy}')
            rows.append(torch.as_tensor(value).detach())
            if rows[-1].shape != rows[0].shape:
                raise DataError(f'{who} has {name} of shape {tuple(rows[-1].shape)}, others {tuple(rows[0].shape)}')
        return torch.stack(rows)


def _in_order(parts: list[Table | None], size: int) -> Table | None:
    """One table of those of all ranks, in the order of the data set, without what fills the last round.

    The k-th sample of rank r is number ``k * ranks + r`` of the data set, so every rank keeps the first of its own.
    """
    numbers = [torch.arange(rank, size, len(parts))[:part.size if part else 0] for rank, part in enumerate(parts)]
    kept = [part.take(slice(len(own))) for part, own in zip(parts, numbers, strict=True) if len(own)]
    return Table.join(kept).take(torch.cat(numbers).argsort()) if kept else None
