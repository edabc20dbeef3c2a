from avmm.apis.classification import AVClassificationInferencer
from avmm.apis.factory import inferencer_class, init_inferencer
from avmm.apis.inferencer import Answer, AVInferencer
from avmm.apis.localization import AVEventLocalizationInferencer
from avmm.apis.model import init_model
from avmm.apis.zoo import ModelInfo, find_config, list_models, model_infos

__all__ = [
    'AVClassificationInferencer', 'AVEventLocalizationInferencer', 'AVInferencer', 'Answer', 'ModelInfo',
    'find_config', 'inferencer_class', 'init_inferencer', 'init_model', 'list_models', 'model_infos'
]
