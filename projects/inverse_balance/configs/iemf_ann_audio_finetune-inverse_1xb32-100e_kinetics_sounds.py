# The audio branch and its head,
# fine-tuned from OGM-GE with inverse effectiveness on Kinetics-Sounds (figure 2d).
# The head was trained there.
# Launch: python tools/train.py \
#         projects/inverse_balance/configs/iemf_ann_audio_finetune-inverse_1xb32-100e_kinetics_sounds.py
#         --cfg-options load_from=BEST  # the best_accuracy_joint_epoch_N.pth of
#         work_dirs/iemf_ann_ogmge_inverse_1xb32-100e_kinetics_sounds
_base_ = './iemf_ann_audio_scratch_1xb32-100e_kinetics_sounds.py'
