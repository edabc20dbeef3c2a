from avmm.models.base import AVModel, Step

__all__ = ['AVModel', 'Step']
