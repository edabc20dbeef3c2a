from avmm.structures.av_data_sample import AVDataSample

__all__ = ['AVDataSample']
