"""The published numbers of inverse-effectiveness driven multimodal fusion: top-1 accuracy on the test split (%).

Each is the best epoch of one run (seed 2025). The curves of finetuning and of the coefficient were published as
pictures only.
"""
from __future__ import annotations

METHODS = ('normal', 'mslr', 'ogmge', 'lfm')
METHOD_NAMES = {'normal': 'Concat', 'mslr': 'MSLR', 'ogmge': 'OGM-GE', 'lfm': 'LFM'}
DATASETS = {'cremad': 'CREMA-D', 'kinetics_sounds': 'Kinetics-Sounds', 'urbansound8k_av': 'UrbanSound8K-AV'}

#: ``{(network, data set, variant): accuracies in the order of METHODS}``, figures 2 (a), (b) and (c2).
TABLE = {
    ('ann', 'cremad', 'vanilla'): (62.63, 64.11, 68.68, 64.11),
    ('ann', 'cremad', 'inverse'): (63.44, 65.59, 71.10, 63.98),
    ('ann', 'kinetics_sounds', 'vanilla'): (51.58, 51.89, 57.63, 55.28),
    ('ann', 'kinetics_sounds', 'joint'): (54.86, 55.51, 60.87, 61.10),
    ('ann', 'kinetics_sounds', 'inverse'): (56.17, 55.86, 64.61, 63.15),
    ('ann', 'urbansound8k_av', 'vanilla'): (97.90, 97.79, 97.60, 98.05),
    ('ann', 'urbansound8k_av', 'inverse'): (97.86, 97.98, 99.24, 98.63),
    ('snn', 'cremad', 'vanilla'): (63.04, 63.70, 69.49, 63.58),
    ('snn', 'cremad', 'inverse'): (63.58, 64.38, 67.61, 64.78),
    ('snn', 'kinetics_sounds', 'vanilla'): (52.85, 53.19, 57.52, 54.63),
    ('snn', 'kinetics_sounds', 'inverse'): (55.47, 56.63, 61.41, 63.53),
    ('snn', 'urbansound8k_av', 'vanilla'): (98.02, 97.98, 97.67, 98.13),
    ('snn', 'urbansound8k_av', 'inverse'): (97.79, 98.05, 99.35, 98.63),
}

#: ``{gamma: accuracy}`` of OGM-GE with the coefficient on Kinetics-Sounds, figure 2 (c1); without it: GAMMA_BASELINE.
GAMMA_SWEEP = {0.1: 60.41, 0.5: 60.25, 1.0: 64.61, 2.0: 63.34, 3.0: 62.18, 5.0: 59.48}
GAMMA_BASELINE = 57.63

#: Limits of the accuracy in the published bars, ``{data set: (low, high)}``.
BAR_LIMITS = {'cremad': (60, 75), 'kinetics_sounds': (50, 70), 'urbansound8k_av': (97, 100)}
#: Limits in the enlarged part, epochs 70 to 100, of the published finetuning curves.
ZOOM_EPOCHS = (70, 100)
ZOOM_LIMITS = {
    ('kinetics_sounds', 'audio'): (35, 41),
    ('kinetics_sounds', 'visual'): (55, 60),
    ('cremad', 'audio'): (35, 41),
    ('cremad', 'visual'): (50, 63),
}
