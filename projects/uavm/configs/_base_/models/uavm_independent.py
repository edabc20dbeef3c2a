# The published modality-independent model: UAVM with six blocks of each modality and none shared.
_base_ = './uavm.py'

model = dict(specific_depth=6, shared_depth=0)
