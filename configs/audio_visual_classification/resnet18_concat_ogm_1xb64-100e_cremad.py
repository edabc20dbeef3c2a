# OGM, which is OGM-GE without its noise on CREMA-D.
# Launch: python tools/train.py configs/audio_visual_classification/resnet18_concat_ogm_1xb64-100e_cremad.py
_base_ = './resnet18_concat_1xb64-100e_cremad.py'

custom_hooks = [dict(type='OGM', alpha=0.8, ends=50)]
