# AVCA on ActivityNet-GZSL, C3D and VGGish features; published: HM 9.92, ZSL 7.58.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/avca_cls_activitynet.py
# Override: --cfg-options train_cfg.stage=1 train_cfg.stage2_epochs=best
_base_ = [
    './_base_/datasets/activitynet_cls_averaged.py',
    './_base_/models/avca.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(
    in_channels=dict(audio=128, visual=4096),
    projection=dict(dropout=0.2),
    word_dropout=0.1,
    momentum=0.99)
train_dataloader = dict(dataset=dict(negatives=True))
val_cfg = dict(loss_dataset=dict(negatives=True), stage2_loss_dataset=dict(negatives=True))
optim_wrapper = dict(optimizer=dict(weight_decay=1e-5))
