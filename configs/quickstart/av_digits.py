# A two-branch network on AV-Digits, trained in minutes on a laptop. The data are made at first use.
# Launch:   python tools/train.py configs/quickstart/av_digits.py
# Override: --cfg-options train_cfg.max_epochs=3 train_dataloader.batch_size=64
_base_ = [
    '../_base_/datasets/av_digits.py',
    '../_base_/models/small_convnet_concat.py',
    '../_base_/schedules/sgd_quick.py',
    '../_base_/default_runtime.py',
]
