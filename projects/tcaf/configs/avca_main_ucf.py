# AVCA on UCF-GZSL, SeLaVi features; published: HM 27.15, ZSL 20.01.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/avca_main_ucf.py
# Override: --cfg-options train_cfg.stage=1 train_cfg.stage2_epochs=best
_base_ = [
    './_base_/datasets/ucf_main_averaged.py',
    './_base_/models/avca.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

train_dataloader = dict(dataset=dict(negatives=True))
val_cfg = dict(loss_dataset=dict(negatives=True), stage2_loss_dataset=dict(negatives=True))
optim_wrapper = dict(optimizer=dict(weight_decay=1e-5))
