from avmm.models.localizers.event_localizer import EventLocalizer

__all__ = ['EventLocalizer']
