# The audio extractor on VGGSound: ConvNeXt-Base from ImageNet, 25 epochs as published.
# Launch:   python tools/train.py projects/uavm/configs/audio-extractor_1xb120-25e_vggsound.py \
#               --cfg-options model.encoders.audio.weights=convnext_base.pth
# Override: --cfg-options optim_wrapper.type=OptimWrapper (single precision)
_base_ = ['./_base_/datasets/vggsound_audio.py', './_base_/extractor.py']

model = dict(num_classes=309, loss=dict(type='CrossEntropyLoss'))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=list(range(15, 1000)), gamma=0.5)
train_cfg = dict(type='EpochTrainLoop', max_epochs=25, val_interval=1)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1, save_best='accuracy/joint', rule='greater'))
custom_hooks = [
    _base_.warmup,
    _base_.ensemble,
    dict(type='ResultTableHook', columns=[
        'accuracy/joint', *_base_.columns, 'accuracy/ensemble', 'AUC/ensemble', 'lr']),
]
val_evaluator = dict(_base_.statistics, _delete_=True, loss=dict(type='CrossEntropyLoss'))
test_evaluator = val_evaluator
