from avmm.balancing.base import BalancingHook
from avmm.balancing.noise import NoiseSource, tensor_stds
from avmm.balancing.noisy import NoisyBalancingHook
from avmm.balancing.normal import Normal
from avmm.balancing.ogm import OGM, modulation
from avmm.balancing.ogm_ge import OGMGE
from avmm.balancing.parameters import select_parameters
from avmm.balancing.scores import label_score

__all__ = ['OGM', 'OGMGE', 'BalancingHook', 'NoiseSource', 'NoisyBalancingHook', 'Normal', 'label_score', 'modulation',
           'select_parameters', 'tensor_stds']
