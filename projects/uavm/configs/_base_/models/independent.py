# The modality-independent model of the published training scripts: two trunks of three blocks for each modality.
_base_ = './uavm.py'

model = dict(type='ModalityIndependentTransformer')
