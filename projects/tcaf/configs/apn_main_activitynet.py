# APN on ActivityNet-GZSL, SeLaVi features; published: HM 7.27, ZSL 6.34.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/apn_main_activitynet.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/activitynet_main_averaged.py',
    './_base_/models/apn.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]
