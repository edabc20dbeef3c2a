# The modality-independent model with an upper width of 16; 25 epochs on VGGSound, three repeats: --seed 0, 1, 2.
# Launch: bash projects/uavm/tools/sweep.sh independent_s16
_base_ = '../independent_1xb144-10e_vggsound.py'

train_cfg = dict(max_epochs=25)
model = dict(shared_channels=16)
optim_wrapper = dict(optimizer=dict(lr=4e-4))
param_scheduler = dict(
    _delete_=True, type='ReduceOnPlateauLR', monitor='accuracy/joint', rule='greater', factor=0.5, patience=2)
