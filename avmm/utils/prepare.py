"""Making an embedded data set the first time a config asks for it."""
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from mmengine.config import Config

from avmm.utils.errors import DataError
from avmm.utils.paths import resolve_data_root


def prepare_data(cfg: Config, repo_root: str | os.PathLike) -> None:
    """Run the converter that ``cfg.prepare_data`` names, unless its data are there.

    ``prepare_data = dict(creates='data/av_digits', script='tools/dataset_converters/av_digits.py', args=[...])``; the
    converter is given ``--out`` with the resolved folder. With several ranks the first of each machine does it and the
    others wait.

    Raises:
        DataError: If the converter fails.
    """
    task = cfg.get('prepare_data')
    if not task:
        return
    target = resolve_data_root(task['creates'])
    if target.exists():
        return
    if int(os.environ.get('LOCAL_RANK', 0)) > 0:
        # The converter renames its finished folder into place, so existence means completeness.
        while not target.exists():
            time.sleep(0.5)
        return
    script = Path(repo_root) / task['script']
    command = [sys.executable, str(script), '--out', str(target), *map(str, task.get('args', []))]
    print(f'{target} is not there yet: making it with {" ".join(command[1:])}', flush=True)
    if subprocess.run(command).returncode:
        raise DataError(f'{target}: {task["script"]} could not make it; its own message stands above')
