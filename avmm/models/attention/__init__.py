from avmm.models.attention.maps import MapSource, recorded_maps

__all__ = ['MapSource', 'recorded_maps']
