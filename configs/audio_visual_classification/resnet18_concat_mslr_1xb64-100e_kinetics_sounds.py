# Constant modality-specific learning rates ("Modality-specific Learning Rates for Effective Multimodal Additive
# Late-fusion", Findings of ACL 2022) on Kinetics-Sounds.
# Launch: python tools/train.py configs/audio_visual_classification/resnet18_concat_mslr_1xb64-100e_kinetics_sounds.py
_base_ = './resnet18_concat_1xb64-100e_kinetics_sounds.py'

optim_wrapper = dict(constructor='MSLRConstructor', paramwise_cfg=dict(lr_mult=dict(audio=0.9, visual=1.1)))
