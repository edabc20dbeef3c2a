# UAVM with 4 shared blocks of six; 25 epochs on VGGSound, three repeats: --seed 0, 1, 2.
# Launch: bash projects/uavm/tools/sweep.sh uavm_ns4
_base_ = '../uavm_1xb144-10e_vggsound.py'

train_cfg = dict(max_epochs=25)
model = dict(specific_depth=2, shared_depth=4)
