"""A long run needs no more memory than a short one."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from avmm.datasets.feature_store import FeatureStore
from avmm.extraction import Extraction, Item, Layout, Shard, StoreRun
from avmm.testing.toy_extractor import ToyExtractor

ITEMS = 100_000


def megabytes(process: int | str) -> float:
    """Memory of a process that belongs to no file."""
    return int(re.search(r'RssAnon:\s+(\d+)', Path(f'/proc/{process}/status').read_text())[1]) / 1024


@pytest.mark.slow
def test_memory_is_flat_over_a_hundred_thousand_items(toys, tmp_path):
    path, figures = str(toys(0, a=b'abc') / 'a.mp4'), []
    items = [Item(f'{i:06d}', path, float(i), 1.0) for i in range(ITEMS)]
    with Extraction(dict(toy=ToyExtractor(batch_size=256)), num_workers=2) as extraction:
        run = StoreRun(extraction, items, Layout(tmp_path / 'x.h5', Shard()))
        clips = extraction.run

        def watched(todo):
            for done, result in enumerate(clips(todo), 1):
                if done % (ITEMS // 20) == 0:
                    figures.append([megabytes('self'), *(megabytes(worker.process.pid)
                                                         for worker in extraction._pool._workers)])
                yield result

        extraction.run = watched
        assert run.run().status == 0
    assert len(FeatureStore(tmp_path / 'x.h5')) == ITEMS
    # From a twentieth of the run to its end.
    begun, half, through = figures[0], figures[9], figures[-1]
    assert all(last - first < 4 for first, last in zip(begun, through, strict=True)), (begun, half, through)
