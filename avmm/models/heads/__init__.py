from avmm.models.heads.event_head import EventHead, EventPrediction, EventTargets
from avmm.models.heads.linear_head import LinearHead
from avmm.models.heads.supervised_event_head import SupervisedEventHead
from avmm.models.heads.weak_event_head import WeakEventHead

__all__ = ['EventHead', 'EventPrediction', 'EventTargets', 'LinearHead', 'SupervisedEventHead', 'WeakEventHead']
