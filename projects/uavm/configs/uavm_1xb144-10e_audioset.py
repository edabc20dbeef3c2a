# UAVM on AudioSet, all 2M clips, 10 epochs as published; published: mAP 48.0 (audio and video).
# Launch:   python tools/train.py projects/uavm/configs/uavm_1xb144-10e_audioset.py
# Override: --cfg-options optim_wrapper.zero_grad_set_to_none=True
_base_ = [
    './_base_/datasets/audioset_features.py',
    './_base_/models/uavm.py',
    './_base_/schedules/adam_halving.py',
    './_base_/runtime.py',
]

model = dict(num_classes=527, loss=dict(type='BCELoss'))
default_hooks = dict(checkpoint=dict(save_best='mAP/joint'))
optim_wrapper = dict(optimizer=dict(lr=1e-5))
