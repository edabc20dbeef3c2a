# UAVM with 1 shared blocks of six, 128 wide; 25 epochs on VGGSound, three repeats: --seed 0, 1, 2.
# Launch: bash projects/uavm/tools/sweep.sh uavm_s128_ns1
_base_ = '../uavm_1xb144-10e_vggsound.py'

train_cfg = dict(max_epochs=25)
model = dict(specific_depth=5, shared_depth=1, shared_channels=128)
param_scheduler = dict(
    _delete_=True, type='ReduceOnPlateauLR', monitor='accuracy/joint', rule='greater', factor=0.5, patience=2)
