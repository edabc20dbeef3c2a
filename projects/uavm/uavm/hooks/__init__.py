from projects.uavm.uavm.hooks.modality_draw_hook import ModalityDrawHook
from projects.uavm.uavm.hooks.prediction_ensemble_hook import PredictionEnsembleHook
from projects.uavm.uavm.hooks.result_table_hook import FEATURE_COLUMNS, ResultTableHook
from projects.uavm.uavm.hooks.stepped_warmup_hook import SteppedWarmupHook
from projects.uavm.uavm.hooks.weight_average_hook import WeightAverageHook

__all__ = ['FEATURE_COLUMNS', 'ModalityDrawHook', 'PredictionEnsembleHook', 'ResultTableHook', 'SteppedWarmupHook',
           'WeightAverageHook']
