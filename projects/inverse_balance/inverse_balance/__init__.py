"""Inverse-effectiveness driven fusion, for artificial and spiking networks; importing it registers its components."""
from projects.inverse_balance.inverse_balance.batch_norm import StepBatchNorm2d
from projects.inverse_balance.inverse_balance.converter import from_official, to_official
from projects.inverse_balance.inverse_balance.encodings import ENCODINGS
from projects.inverse_balance.inverse_balance.inverse_metric import InverseCoefficient
from projects.inverse_balance.inverse_balance.loss_metric import CrossEntropyMetric
from projects.inverse_balance.inverse_balance.nodes import IFNode, LIFNode, Node, PLIFNode, ReLUNode
from projects.inverse_balance.inverse_balance.resnet import PreActResNet18
from projects.inverse_balance.inverse_balance.surrogates import (
    AtanGrad,
    GateGrad,
    QGateGrad,
    ReLUGrad,
    SigmoidGrad,
    Surrogate,
)

__all__ = [
    'ENCODINGS', 'AtanGrad', 'CrossEntropyMetric', 'GateGrad', 'IFNode', 'InverseCoefficient', 'LIFNode', 'Node',
    'PLIFNode', 'PreActResNet18', 'QGateGrad', 'ReLUGrad', 'ReLUNode', 'SigmoidGrad', 'StepBatchNorm2d', 'Surrogate',
    'from_official', 'to_official'
]
