"""A run of an extraction into a feature store: what is there is kept, what fails is reported."""
from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avmm.datasets.feature_store import FeatureStore
from avmm.datasets.feature_store_writer import FeatureStoreWriter
from avmm.extraction.engine import Extraction
from avmm.extraction.items import Clip, Item, clips_of
from avmm.extraction.progress import Progress
from avmm.extraction.report import Report
from avmm.extraction.shards import Layout
from avmm.utils import ConfigError, DataError

#: What becomes of items that cannot be extracted: left out; zeros; the store waits until they can; the run ends.
ON_ERROR = ('skip', 'zeros', 'hold', 'stop')


class StoreRun:
    """Extracts the items of one shard.

    Args:
        extraction: The engine.
        items: All items, those of other shards too, in the order of the store.
        layout: Where the store and its parts are.
        on_error: One of ``ON_ERROR``.
        resume: Whether to go on with an interrupted run, and to add to a store what it lacks.
        overwrite: Whether to replace a store.
        meta: What the store says of itself beside the extractors; a run resumes only one with the same.

    Raises:
        DataError: If there is a store, or the beginning of one, that this run must not touch.
        ConfigError: If the run was begun with another number of shards.
    """

    def __init__(self, extraction: Extraction, items: Sequence[Item], layout: Layout, on_error: str = 'skip',
                 resume: bool = False, overwrite: bool = False, meta: Mapping[str, Any] | None = None):
        if on_error not in ON_ERROR:
            raise ConfigError(f'on_error is {on_error!r}; it must be one of {", ".join(ON_ERROR)}')
        layout.check(resume, overwrite)
        self.extraction, self.layout, self.on_error, self.resume = extraction, layout, on_error, resume
        self.meta = json.loads(json.dumps(dict(meta or {})))
        self.order = [item.key for item in items]
        self.target = layout.target
        self.report_path = layout.report_of(self.target)
        # The store that is there may lack items, or have zeros for them.
        kept = self._kept() if resume and layout.out.exists() else set()
        clips = clips_of(items)[layout.shard.index::layout.shard.count]
        mine = {key for clip in clips for key in clip.keys}
        self.clips = [clip for clip in clips if not kept.issuperset(clip.keys)]
        self.keys = [key for key in self.order if key in mine and key not in kept]
        self.report = Report(str(self.target), items=len(mine), skipped=len(mine) - len(self.keys), on_error=on_error)

    def _kept(self) -> set[str]:
        """Items of the older store that need not be done again."""
        store, report = FeatureStore(self.layout.out), Report.read(self.layout.report)
        if store.arrays != self.extraction.arrays or store.meta != self.meta:
            raise DataError(f'{store.path} was made with other settings; --overwrite replaces it')
        zeros = report.failed if report is not None and report.on_error == 'zeros' else []
        return set(store.keys) - {entry['key'] for entry in zeros}

    def run(self) -> Report:
        """Extract what is missing and put it into a store.

        Returns:
            The report, which is also written beside the store.

        Raises:
            DataError: If the store cannot be written.
            AVMMError: If nothing can be extracted at all.
        """
        if self.target != self.layout.out:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            if self.target.exists():
                return self._finished_before()
        if not self.keys:
            return self._write(complete=True)
        self.report_path.unlink(missing_ok=True)
        started = time.monotonic()
        # A store that is replaced stays until the new one is whole.
        writer = FeatureStoreWriter(self.target, self.extraction.arrays, self.keys, self.meta, overwrite=True)
        try:
            self.report.skipped += len(writer)
            todo = [clip for clip in self.clips if any(self._missing(clip, writer))]
            self._fill(writer, todo)
        except BaseException:
            writer.release()
            raise
        finally:
            self.report.seconds = time.monotonic() - started
            self._write(complete=False)
        return self._close(writer)

    def _finished_before(self) -> Report:
        """The shard was through when the run was interrupted."""
        before = Report.read(self.report_path) or self.report
        before.skipped, before.done = before.skipped + before.done, 0
        self.report = before
        return self._write(complete=True, content_key=FeatureStore(self.target).content_key)

    def _missing(self, clip: Clip, writer: FeatureStoreWriter) -> list[str]:
        return [key for key in clip.keys if key in writer.order and key not in writer]

    def _fill(self, writer: FeatureStoreWriter, clips: Sequence[Clip]) -> None:
        """Extract ``clips``; notes what fails."""
        shard = self.layout.shard
        name = 'extracting' if shard.count == 1 else f'shard {shard.index}/{shard.count}'
        with Progress(len(clips), name, quiet=shard.index > 0) as progress:
            for result in self.extraction.run(clips):
                keys = self._missing(result.clip, writer)
                progress.step(failed=result.error is not None)
                if result.error is None:
                    writer.add_batch(keys, {array: [value] * len(keys) for array, value in result.features.items()})
                    self.report.done += len(keys)
                    continue
                self.report.failed += [dict(key=key, path=result.clip.path, reason=result.error) for key in keys]
                if self.on_error == 'stop':
                    break

    def _close(self, writer: FeatureStoreWriter) -> Report:
        if self.report.failed and self.on_error in ('hold', 'stop'):
            writer.release()
            return self.report
        if not len(writer) and self.on_error == 'skip':
            writer.release()
            # A shard of which nothing is left does not keep the others from being merged.
            return self._write(complete=self.target != self.layout.out)
        key = writer.close('zeros' if self.on_error == 'zeros' else 'leave_out')
        return self._write(complete=True, content_key=key)

    def _write(self, complete: bool, content_key: str | None = None) -> Report:
        self.report.complete, self.report.content_key = complete, content_key
        Path(self.report_path).parent.mkdir(parents=True, exist_ok=True)
        self.report.write(self.report_path)
        return self.report
