"""Several ranks on GPUs or on CPU cores."""
from __future__ import annotations

import datetime
import os
import re
import subprocess

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor

from avmm.utils import ConfigError

__all__ = ['AVDistributedDataParallel', 'init_distributed']

# Where each launcher says which process this is.
_RANK_NAMES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}


def init_distributed(launcher: str, backend: str | None = None, timeout: float | None = None, **kwargs) -> None:
    """Join the process group that ``launcher`` prepared: NCCL where there are GPUs, gloo on CPU.

    Nothing happens for ``'none'``, or if the group exists already.

    Args:
        launcher: ``none``, ``pytorch`` (torchrun), ``slurm`` or ``mpi``.
        backend: A backend for GPUs other than NCCL.
        timeout: Seconds after which a collective call fails.
        **kwargs: Arguments of ``torch.distributed.init_process_group``.

    Raises:
        ConfigError: If the launcher is unknown or did not set its environment variables.
    """
    if launcher == 'none' or (dist.is_available() and dist.is_initialized()):
        return
    if launcher not in _RANK_NAMES:
        raise ConfigError(f'launcher={launcher!r} is not one of none, {", ".join(_RANK_NAMES)}')
    missing = [name for name in _RANK_NAMES[launcher] if name not in os.environ]
    if missing:
        raise ConfigError(f'launcher={launcher!r} but {", ".join(missing)} is not set; '
                          'start the run with tools/dist_train.sh or tools/slurm_train.sh')
    if torch.cuda.is_available():
        from mmengine.dist import init_dist
        init_dist(launcher, backend=backend or 'nccl', **kwargs, **({} if timeout is None else dict(timeout=timeout)))
        return
    for ours, theirs in zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), _RANK_NAMES[launcher], strict=True):
        os.environ[ours] = os.environ[theirs]
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        os.environ['MASTER_ADDR'] = _first_slurm_host(os.environ['SLURM_NODELIST'])
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', '29500')
    if timeout is not None:
        kwargs['timeout'] = datetime.timedelta(seconds=timeout)
    dist.init_process_group('gloo', **kwargs)


def _first_slurm_host(nodes: str) -> str:
    return subprocess.run(['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True,
                          check=True).stdout.split()[0]


@MODEL_WRAPPERS.register_module()
class AVDistributedDataParallel(MMDistributedDataParallel):
    """DistributedDataParallel for :class:`~avmm.models.base.AVModel`, on GPUs and on CPU.

    A step is the model's own ``train_step``, whose forward goes through this wrapper; so loss terms, policies and the
    check of the loss are the same on one rank and on many. In every step the ranks agree, by one small reduction, on
    whether all losses are finite and whether a rank was told to stop: no rank waits for one that has left.

    Args:
        module: The model, on its device.
        device_ids: Ignored for a model on CPU.
        broadcast_buffers: Whether rank 0 overwrites the buffers of the others before every forward.
        **kwargs: Arguments of ``DistributedDataParallel``.
    """

    def __init__(self, module, device_ids=None, broadcast_buffers: bool = False, **kwargs):
        if next(module.parameters()).device.type == 'cpu':
            device_ids = None
        super().__init__(module=module, device_ids=device_ids, broadcast_buffers=broadcast_buffers, **kwargs)
        self.stop_requested = False
        self.stop_agreed = False
        self._agreed_in_step = False

    def train_step(self, data: dict, optim_wrapper) -> dict[str, Tensor]:
        """One update, as the model does it.

        Raises:
            ConfigError: If the last step left parameters without gradient; their names are in the message.
        """
        self._agreed_in_step = False
        try:
            if hasattr(self.module, 'run_forward'):
                log_vars = self.module.train_step(data, optim_wrapper, through=self)
            else:
                log_vars = super().train_step(data, optim_wrapper)
        except RuntimeError as error:
            if 'finished reduction in the prior iteration' not in str(error):
                raise
            raise ConfigError(self._unused_parameters(str(error))) from error
        if not self._agreed_in_step:
            self.agree(True)
        return log_vars

    def agree(self, finite: bool) -> bool:
        """Whether the loss is finite on every rank; notes in ``stop_agreed`` if any rank was told to stop."""
        device = next(self.module.parameters()).device
        flags = torch.ones(2, device=device)
        flags[0] = finite
        flags[1] = not self.stop_requested
        dist.all_reduce(flags, op=dist.ReduceOp.MIN, group=self.process_group)
        all_finite, go_on = flags.tolist()
        self.stop_agreed = not go_on
        self._agreed_in_step = True
        return bool(all_finite)

    def _unused_parameters(self, message: str) -> str:
        names = [n for n, p in self.module.named_parameters() if p.requires_grad]
        found = re.search(r'did not receive grad for rank \d+: ([\d ]+)', message)
        unused = [names[int(i)] for i in found.group(1).split()] if found else []
        shown = ', '.join(unused[:5]) + (f' and {len(unused) - 5} more' if len(unused) > 5 else '')
        return (f'{len(unused) or "some"} parameters got no gradient in the last step ({shown or "names unknown"}); '
                'freeze or remove them, or set find_unused_parameters=True in the config')
