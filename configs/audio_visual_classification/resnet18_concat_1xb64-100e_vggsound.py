# Two ResNet-18s with concatenation on VGGSound, without balancing.
# Launch: python tools/train.py configs/audio_visual_classification/resnet18_concat_1xb64-100e_vggsound.py
# Override: --cfg-options select_on=test trains on the whole training list and validates on the test list
_base_ = [
    '../_base_/datasets/vggsound.py',
    '../_base_/models/resnet18_concat.py',
    '../_base_/schedules/sgd_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})
