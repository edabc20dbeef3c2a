# OGM, which is OGM-GE without its noise on UrbanSound8K-AV.
# Launch: python tools/train.py configs/audio_visual_classification/resnet18_concat_ogm_1xb64-100e_urbansound8k_av.py
_base_ = './resnet18_concat_1xb64-100e_urbansound8k_av.py'

custom_hooks = [dict(type='OGM', alpha=0.8, ends=50)]
