# The modality-independent model of the published checkpoints (6+0) on VGGSound, 10 epochs as published.
# Launch:   python tools/train.py projects/uavm/configs/uavm-independent_1xb144-10e_vggsound.py
# Override: --cfg-options optim_wrapper.zero_grad_set_to_none=True
_base_ = [
    './_base_/datasets/vggsound_features.py',
    './_base_/models/uavm_independent.py',
    './_base_/schedules/adam_halving.py',
    './_base_/runtime.py',
]
