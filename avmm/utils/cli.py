"""What every command-line tool shares: one-line errors and a progress bar."""
from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from avmm.utils.errors import AVMMError, last_line_of_worker

T = TypeVar('T')
# How a rank learns, over gloo or NCCL, that another one is not there any more.
_PEER_IS_GONE = re.compile('Connection (closed|reset) by (remote )?peer|remote process exited')


def run_cli(main: Callable[[], int | None]) -> None:
    """Run ``main`` and exit; errors that the user can mend become one line on stderr and status 2.

    ``AVMM_TRACEBACK=1`` in the environment shows the whole traceback instead.
    """
    try:
        status = main()
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        status = 130
    except (AVMMError, OSError, KeyError) as error:
        if os.environ.get('AVMM_TRACEBACK') or not _is_for_user(error):
            raise
        print(f'error: {one_line(error)}', file=sys.stderr)
        status = 2
    except RuntimeError as error:
        if os.environ.get('AVMM_TRACEBACK') or not _PEER_IS_GONE.search(str(error)):
            raise
        print(f'error: rank {os.environ.get("RANK", "?")}: another rank has ended; its own message says why',
              file=sys.stderr)
        status = 2
    sys.stdout.flush()
    sys.exit(status or 0)


def one_line(error: BaseException) -> str:
    """The message of an error on one line; a ``KeyError`` without its quotes."""
    if isinstance(error, OSError) and error.strerror:
        text = f'{error.filename}: {error.strerror}' if error.filename else error.strerror
    elif isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
    else:
        text = last_line_of_worker(str(error)) or str(error)
    return ' '.join(text.split())


def _is_for_user(error: BaseException) -> bool:
    """A bare ``KeyError`` is a bug; that of a registry names the registry."""
    return not isinstance(error, KeyError) or 'registry' in str(error)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items`` behind a progress bar, or a line every ten seconds where there is no terminal."""
    if total is None and hasattr(items, '__len__'):
        total = len(items)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track
        yield from rich_track(items, description, total=total, console=Console(stderr=True))
        return
    shown = time.monotonic()
    for done, item in enumerate(items):
        yield item
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f'{description}: {done + 1}/{total if total is not None else "?"}', file=sys.stderr, flush=True)
