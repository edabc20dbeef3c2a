"""Run something on several ranks of this machine, each a process of its own that talks over gloo."""
from __future__ import annotations

import importlib.util
import inspect
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from avmm.testing.warm import WarmProcess, start_warm


def launch_ranks(command: Sequence[str], world_size: int = 2, env: dict[str, str] | None = None,
                 **popen) -> list[subprocess.Popen]:
    """Start ``command`` once a rank with the environment that ``--launcher pytorch`` expects.

    Args:
        command: Program and arguments; each rank gets the same.
        world_size: Number of ranks.
        env: More environment variables.
        **popen: Arguments of ``subprocess.Popen``.
    """
    return [subprocess.Popen(list(command), env=one, **popen) for one in rank_environments(world_size, env)]


def rank_environments(world_size: int = 2, env: dict[str, str] | None = None) -> list[dict[str, str]]:
    """The environment of each rank: this process's own, what ``--launcher pytorch`` expects, and ``env``."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    shared = dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='', MASTER_ADDR='127.0.0.1',
                  MASTER_PORT=str(port), WORLD_SIZE=str(world_size), LOCAL_WORLD_SIZE=str(world_size), **(env or {}))
    return [dict(shared, RANK=str(r), LOCAL_RANK=str(r)) for r in range(world_size)]


def run_ranks(function: Callable, world_size: int = 2, args: Sequence = (), timeout: float = 300) -> list:
    """Call ``function(*args)`` on every rank, inside a gloo process group, and return what each rank returned.

    The function must stand at the top level of a file; that file is imported afresh on each rank, in a process of
    :func:`~avmm.testing.warm.start_warm`. Arguments and results are plain data and tensors.

    Raises:
        RuntimeError: With the output of the first rank that failed; the others are ended.
        TimeoutError: If the ranks are not done after ``timeout`` seconds.

    Example:
        >>> def total():
        ...     import torch.distributed as dist
        ...     value = torch.tensor([dist.get_rank() + 1.0])
        ...     dist.all_reduce(value)
        ...     return value
        >>> run_ranks(total)  # doctest: +SKIP
        [tensor([3.]), tensor([3.])]
    """
    with tempfile.TemporaryDirectory() as folder:
        torch.save(list(args), Path(folder, 'args.pt'))
        root = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join([root, *(p for p in sys.path if p)])
        command = ['-m', 'avmm.testing.ranks', inspect.getfile(function), function.__name__, folder]
        logs, ranks = [Path(folder, f'log_{r}.txt') for r in range(world_size)], []
        try:
            for log, env in zip(logs, rank_environments(world_size, dict(PYTHONPATH=paths)), strict=True):
                with open(log, 'w') as file:
                    ranks.append(start_warm(command, env, output=file.fileno()))
            _wait(ranks, logs, timeout)
        finally:
            for rank in ranks:
                rank.kill()
                rank.wait()
        return [torch.load(Path(folder, f'result_{r}.pt'), weights_only=False) for r in range(world_size)]


def _wait(ranks: list[WarmProcess], logs: list[Path], timeout: float) -> None:
    end = time.monotonic() + timeout
    while any(rank.poll() is None for rank in ranks):
        if any(rank.poll() for rank in ranks):
            break
        if time.monotonic() > end:
            raise TimeoutError(f'the ranks are not done after {timeout:g} s:\n' + '\n'.join(map(_tail, logs)))
        time.sleep(0.02)
    for number, rank in enumerate(ranks):
        if rank.poll():
            raise RuntimeError(f'rank {number} ended with status {rank.returncode}:\n{_tail(logs[number])}')


def _tail(log: Path, size: int = 4000) -> str:
    return log.read_text(errors='replace')[-size:] if log.exists() else '(no output)'


def _main(file: str, name: str, folder: str) -> None:
    from avmm.engine.distributed import init_distributed
    torch.set_num_threads(1)
    init_distributed('pytorch')
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    result = getattr(module, name)(*torch.load(Path(folder, 'args.pt'), weights_only=False))
    torch.save(result, Path(folder, f'result_{os.environ["RANK"]}.pt'))
    torch.distributed.destroy_process_group()


if __name__ == '__main__':
    _main(*sys.argv[1:4])
