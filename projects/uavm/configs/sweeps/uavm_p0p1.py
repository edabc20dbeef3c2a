# UAVM that trains on audio with a probability of 0.1; 25 epochs on VGGSound, three repeats: --seed 0, 1, 2.
# Launch: bash projects/uavm/tools/sweep.sh uavm_p0p1
_base_ = '../uavm_1xb144-10e_vggsound.py'

train_cfg = dict(max_epochs=25)
custom_hooks = [dict(type='ModalityDrawHook', prob=0.1), dict(type='ResultTableHook')]
