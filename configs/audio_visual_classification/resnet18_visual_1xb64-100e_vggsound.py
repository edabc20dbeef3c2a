# The visual-only baseline on VGGSound.
# Launch: python tools/train.py configs/audio_visual_classification/resnet18_visual_1xb64-100e_vggsound.py
# Override: --cfg-options select_on=test trains on the whole training list and validates on the test list
_base_ = [
    '../_base_/datasets/vggsound.py',
    '../_base_/models/resnet18_visual.py',
    '../_base_/schedules/sgd_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})
train_dataloader = dict(dataset=dict(pipeline=[*_base_.train_frames, dict(type='PackAVInputs')]))
val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_frames, dict(type='PackAVInputs')]))
test_dataloader = dict(dataset=dict(pipeline=[*_base_.test_frames, dict(type='PackAVInputs')]))
