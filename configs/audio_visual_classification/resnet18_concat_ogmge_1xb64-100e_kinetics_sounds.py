# OGM-GE ("Balanced Multimodal Learning via On-the-fly Gradient Modulation", CVPR 2022) on Kinetics-Sounds.
# Launch: python tools/train.py configs/audio_visual_classification/resnet18_concat_ogmge_1xb64-100e_kinetics_sounds.py
_base_ = './resnet18_concat_1xb64-100e_kinetics_sounds.py'

custom_hooks = [dict(type='OGMGE', alpha=0.8, ends=50)]
