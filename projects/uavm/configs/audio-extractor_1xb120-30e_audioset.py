# The audio extractor on AudioSet, all 2M clips: ConvNeXt-Base from ImageNet, 30 epochs as published.
# Launch:   python tools/train.py projects/uavm/configs/audio-extractor_1xb120-30e_audioset.py \
#               --cfg-options model.encoders.audio.weights=convnext_base.pth
# Override: --cfg-options optim_wrapper.type=OptimWrapper (single precision)
_base_ = ['./_base_/datasets/audioset_audio.py', './_base_/extractor.py']

model = dict(num_classes=527, loss=dict(type='BCELoss'))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=list(range(10, 1000)), gamma=0.5)
train_cfg = dict(type='EpochTrainLoop', max_epochs=30, val_interval=1)
default_hooks = dict(checkpoint=dict(save_best='mAP/joint', rule='greater'))
custom_hooks = [
    _base_.warmup,
    _base_.ensemble,
    dict(type='ResultTableHook', columns=[
        'mAP/joint', *_base_.columns, 'mAP/ensemble', 'AUC/ensemble', 'lr']),
    dict(type='WeightAverageHook', start=16, end=30),
]
val_evaluator = dict(_base_.statistics, _delete_=True, loss=dict(type='BCELoss'))
test_evaluator = val_evaluator
