from avmm.balancing.base import BalancingHook
from avmm.balancing.inverse_effectiveness import InverseEffectiveness, inverse_coefficient
from avmm.balancing.lfm import LFM, alignment_loss, fitted_weights
from avmm.balancing.mmpareto import MMPareto, join_gradients, min_norm_weights
from avmm.balancing.mslr_dynamic import MSLRDynamic
from avmm.balancing.noise import NoiseSource, tensor_stds
from avmm.balancing.noisy import NoisyBalancingHook
from avmm.balancing.normal import Normal
from avmm.balancing.ogm import OGM, modulation
from avmm.balancing.ogm_ge import OGMGE
from avmm.balancing.parameters import select_parameters
from avmm.balancing.prototype import prototype_coefficient, prototype_inverse_loss
from avmm.balancing.scores import label_score
from avmm.balancing.unimodal_loss import UnimodalLoss, unimodal_losses

__all__ = [
    'LFM', 'OGM', 'OGMGE', 'BalancingHook', 'InverseEffectiveness', 'MMPareto', 'MSLRDynamic', 'NoiseSource',
    'NoisyBalancingHook', 'Normal', 'UnimodalLoss', 'alignment_loss', 'fitted_weights', 'inverse_coefficient',
    'join_gradients', 'label_score', 'min_norm_weights', 'modulation', 'prototype_coefficient',
    'prototype_inverse_loss', 'select_parameters', 'tensor_stds', 'unimodal_losses'
]
