"""What a run has done, skipped and failed at."""
from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from avmm.utils import DataError


@dataclass
class Report:
    """What became of the items of a run, or of one shard.

    Attributes:
        store: The feature store.
        items: Number of items.
        done: Items that this run has extracted.
        skipped: Items that were complete before.
        failed: ``dict(key, path, reason)`` of every item that could not be extracted.
        complete: Whether the store is there: with all items but the failed ones, or with zeros in their place.
        on_error: What became of the failed ones.
        seconds: Time of the run; that of the longest shard.
        content_key: That of the store.
    """
    store: str
    items: int = 0
    done: int = 0
    skipped: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    complete: bool = False
    on_error: str = 'skip'
    seconds: float = 0.0
    content_key: str | None = None

    @property
    def status(self) -> int:
        """Exit status: 0 if every item is in the store, 1 otherwise."""
        return 0 if self.complete and not self.failed else 1

    def write(self, path: str | os.PathLike) -> None:
        """Write it as JSON; the file appears under its name when it is whole."""
        path = Path(path)
        unfinished = path.with_name(f'.{path.name}.tmp')
        unfinished.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + '\n', encoding='utf-8')
        os.replace(unfinished, path)

    @classmethod
    def read(cls, path: str | os.PathLike) -> Report | None:
        """Read one; None if there is none.

        Raises:
            DataError: If the file is something else.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding='utf-8')))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise DataError(f'{path}: no report of an extraction ({error}); remove it') from None

    @classmethod
    def of_shards(cls, store: str, reports: Iterable[Report]) -> Report:
        """The sum of the reports of shards."""
        reports = list(reports)
        total = cls(store, on_error=reports[0].on_error, seconds=max(report.seconds for report in reports))
        for report in reports:
            total.items += report.items
            total.done += report.done
            total.skipped += report.skipped
            total.failed += report.failed
        return total

    def lines(self, shown: int = 10) -> list[str]:
        """It, for people; at most ``shown`` failures."""
        speed = f', {self.done / self.seconds:.1f} a second' if self.seconds and self.done else ''
        lines = [f'{self.items} items: {self.done} done, {self.skipped} there before, {len(self.failed)} failed; '
                 f'{self.seconds:.1f} s{speed}']
        lines += [f'  failed: {entry["key"]}: {entry["reason"]}' for entry in self.failed[:shown]]
        if len(self.failed) > shown:
            lines.append(f'  and {len(self.failed) - shown} more')
        if self.failed and self.complete:
            what = 'zeros stand in their place' if self.on_error == 'zeros' else 'the store is without them'
            lines.append(f'{what}; --resume tries them again')
        if self.complete:
            lines.append(f'{self.store}: content {self.content_key[:16]}' if self.content_key else self.store)
        return lines
