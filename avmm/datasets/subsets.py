"""Data sets that know something about all of their samples at once."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from mmengine.dataset import BaseDataset


class SummarisedDataset(BaseDataset):
    """Base of data sets with tables over their samples, which do not outlive a choice of samples."""

    @abstractmethod
    def samples_changed(self) -> None:
        """Renew or forget what was known about all samples."""

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep the samples at ``indices`` only."""
        super().get_subset_(indices)
        self.samples_changed()

    def get_subset(self, indices: Sequence[int] | int) -> SummarisedDataset:
        """A copy with the samples at ``indices`` only."""
        subset = super().get_subset(indices)
        subset.samples_changed()
        return subset
