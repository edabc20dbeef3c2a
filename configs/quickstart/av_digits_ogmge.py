# The quickstart with OGM-GE ("Balanced Multimodal Learning via On-the-fly Gradient Modulation", CVPR 2022).
# Launch:   python tools/train.py configs/quickstart/av_digits_ogmge.py
# Override: --cfg-options custom_hooks.0.alpha=0.3
_base_ = './av_digits.py'

custom_hooks = [dict(type='OGMGE', alpha=0.8)]
