from avmm.models.localizers.cross_modal_decoder import CrossModalDecoder
from avmm.models.localizers.cross_modal_localizer import CrossModalLocalizer
from avmm.models.localizers.event_localizer import EventLocalizer
from avmm.models.localizers.interaction import AVInteraction
from avmm.models.localizers.temporal_encoder import TemporalEncoder

__all__ = ['AVInteraction', 'CrossModalDecoder', 'CrossModalLocalizer', 'EventLocalizer', 'TemporalEncoder']
