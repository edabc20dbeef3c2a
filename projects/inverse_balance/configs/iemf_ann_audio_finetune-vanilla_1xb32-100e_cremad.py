# The audio branch and its head,
# fine-tuned from OGM-GE without inverse effectiveness on CREMA-D (figure 2d).
# The head was not trained there: it starts from random weights, unlike in the other fine-tuning.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_audio_finetune-vanilla_1xb32-100e_cremad.py
#         --cfg-options load_from=BEST  # the best_accuracy_joint_epoch_N.pth of
#         work_dirs/iemf_ann_ogmge_1xb32-100e_cremad
_base_ = './iemf_ann_audio_scratch_1xb32-100e_cremad.py'
