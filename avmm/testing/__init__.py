"""Toy data, a toy model and launchers: for the tests of AVMM and for those of plug-ins."""
from avmm.testing.configs import build_toy_runner, toy_config
from avmm.testing.ranks import launch_ranks, rank_environments, run_ranks
from avmm.testing.toy_data import ToyAVDataset
from avmm.testing.toy_metric import ToyAccuracy
from avmm.testing.toy_model import ToyAVModel
from avmm.testing.toy_video import write_avi
from avmm.testing.warm import WarmProcess, run_warm, start_warm

__all__ = [
    'ToyAVDataset', 'ToyAVModel', 'ToyAccuracy', 'WarmProcess', 'build_toy_runner', 'launch_ranks',
    'rank_environments', 'run_ranks', 'run_warm', 'start_warm', 'toy_config', 'write_avi'
]
