from avmm.models.base import AVModel, Step
from avmm.models.classifiers import AVClassifier

__all__ = ['AVClassifier', 'AVModel', 'Step']
