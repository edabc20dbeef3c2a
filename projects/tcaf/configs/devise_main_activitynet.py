# DeViSE on ActivityNet-GZSL, SeLaVi features; published: HM 4.91, ZSL 8.53.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/devise_main_activitynet.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/activitynet_main_averaged.py',
    './_base_/models/bilinear.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(ranking='devise')
