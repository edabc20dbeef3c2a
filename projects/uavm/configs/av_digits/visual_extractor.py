# The visual extractor on AV-Digits: the ConvNeXt of audio_extractor.py, on single frames of 32 x 32. It stands in for
# the ImageNet weights of the published recipe, which this one does not download.
# Launch: python tools/train.py projects/uavm/configs/av_digits/visual_extractor.py
_base_ = [
    '../../../../configs/_base_/datasets/av_digits.py',
    '../../../../configs/_base_/default_runtime.py',
    '../_base_/av_digits_extractor.py',
]
custom_imports = dict(imports=['projects.uavm.uavm'])

model = dict(
    type='AVClassifier', num_classes=10, fusion=dict(type='ConcatFusion'),
    encoders=dict(visual=dict(
        type='ConvNeXtEncoder', size=_base_.small_size, in_channels=3, stochastic_depth_prob=0.0, layer_scale=1.0)),
    loss=dict(type='LabelSmoothLoss', eps=0.1),
    data_preprocessor=dict(
        type='AVDataPreprocessor', normalize=dict(visual=dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]))))
_frames = [dict(type='Resize', size=32, interpolation='bicubic'), dict(type='PackAVInputs', keys=('visual', ))]
train_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadFrames', num_frames=1, sampling='random'), *_frames]))
val_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadFrames', sampling='all'), *_frames]))
test_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadFrames', sampling='all'), *_frames]))

optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, betas=(0.95, 0.999), weight_decay=5e-7))
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
custom_hooks = _base_.small_hooks
