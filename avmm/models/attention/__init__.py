from avmm.models.attention.channel_gate import ChannelGate
from avmm.models.attention.maps import MapSource, recorded_maps
from avmm.models.attention.multihead import MultiheadAttention

__all__ = ['ChannelGate', 'MapSource', 'MultiheadAttention', 'recorded_maps']
