# DeViSE on UCF-GZSL, SeLaVi features; published: HM 23.56, ZSL 16.09.
# Both stages and the test, 500 batches of 256 an epoch, 50 epochs in either stage.
# Launch:   python tools/train.py projects/tcaf/configs/devise_main_ucf.py
# Override: --cfg-options train_cfg.stage=1
_base_ = [
    './_base_/datasets/ucf_main_averaged.py',
    './_base_/models/bilinear.py',
    './_base_/schedules/avca.py',
    './_base_/runtime.py',
]

model = dict(ranking='devise')
