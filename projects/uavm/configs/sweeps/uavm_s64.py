# UAVM with a shared width of 64; 25 epochs on VGGSound, three repeats: --seed 0, 1, 2.
# Launch: bash projects/uavm/tools/sweep.sh uavm_s64
_base_ = '../uavm_1xb144-10e_vggsound.py'

train_cfg = dict(max_epochs=25)
model = dict(shared_channels=64)
param_scheduler = dict(
    _delete_=True, type='ReduceOnPlateauLR', monitor='accuracy/joint', rule='greater', factor=0.5, patience=2)
