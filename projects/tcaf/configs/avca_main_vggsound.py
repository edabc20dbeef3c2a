# AVCA on VGGSound-GZSL, SeLaVi features; published: HM 6.31, ZSL 6.00.
# Both stages and the test, 500 batches of 64 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/avca_main_vggsound.py
# Override: --cfg-options train_cfg.stage=1 train_cfg.stage2_epochs=best
_base_ = [
    './_base_/datasets/vggsound_main_averaged.py',
    './_base_/models/avca.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(
    encoder=dict(dropout=0.0),
    projection=dict(dropout=0.0),
    word_dropout=0.1)
train_dataloader = dict(
    batch_size=64, sampler=dict(batch_size=64), dataset=dict(negatives=True))
val_cfg = dict(loss_dataset=dict(negatives=True), stage2_loss_dataset=dict(negatives=True))
optim_wrapper = dict(optimizer=dict(weight_decay=1e-5))
