from avmm.models.classifiers.av_classifier import AVClassifier

__all__ = ['AVClassifier']
