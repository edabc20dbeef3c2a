# The audio extractor on the balanced part of AudioSet: ConvNeXt-Base from ImageNet, 60 epochs as published.
# Launch:   python tools/train.py projects/uavm/configs/audio-extractor_1xb120-60e_audioset_balanced.py \
#               --cfg-options model.encoders.audio.weights=convnext_base.pth
# Override: --cfg-options optim_wrapper.type=OptimWrapper (single precision)
_base_ = ['./_base_/datasets/audioset_balanced_audio.py', './_base_/extractor.py']

model = dict(num_classes=527, loss=dict(type='BCELoss'))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = dict(
    type='ReduceOnPlateauLR', monitor='mAP/joint', rule='greater', factor=0.5, patience=2)
train_cfg = dict(type='EpochTrainLoop', max_epochs=60, val_interval=1)
default_hooks = dict(checkpoint=dict(save_best='mAP/joint', rule='greater'))
custom_hooks = [
    _base_.warmup,
    _base_.ensemble,
    dict(type='ResultTableHook', columns=[
        'mAP/joint', *_base_.columns, 'mAP/ensemble', 'AUC/ensemble', 'lr']),
    dict(type='WeightAverageHook', start=41, end=60),
]
val_evaluator = dict(_base_.statistics, _delete_=True, loss=dict(type='BCELoss'))
test_evaluator = val_evaluator
