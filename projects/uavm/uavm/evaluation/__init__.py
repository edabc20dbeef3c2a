from projects.uavm.uavm.evaluation.ensemble import RunningMean, WeightMean
from projects.uavm.uavm.evaluation.metric import UAVMStatistics
from projects.uavm.uavm.evaluation.statistics import ClassStatistics, class_statistics, middle_points

__all__ = ['ClassStatistics', 'RunningMean', 'UAVMStatistics', 'WeightMean', 'class_statistics', 'middle_points']
