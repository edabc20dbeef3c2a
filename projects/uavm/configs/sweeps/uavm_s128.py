# UAVM with a shared width of 128; 25 epochs on VGGSound, three repeats: --seed 0, 1, 2.
# Launch: bash projects/uavm/tools/sweep.sh uavm_s128
_base_ = '../uavm_1xb144-10e_vggsound.py'

train_cfg = dict(max_epochs=25)
model = dict(shared_channels=128)
param_scheduler = dict(
    _delete_=True, type='ReduceOnPlateauLR', monitor='accuracy/joint', rule='greater', factor=0.5, patience=2)
