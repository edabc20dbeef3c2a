# Cross-modality attention: three blocks of each modality, then three over the steps of both.
_base_ = './uavm.py'

model = dict(type='CrossModalityTransformer')
