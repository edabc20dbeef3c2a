# Cross-modality attention with a joint width of 256; 25 epochs on VGGSound, three repeats: --seed 0, 1, 2.
# Launch: bash projects/uavm/tools/sweep.sh cross-modality_s256
_base_ = '../cross-modality_1xb144-10e_vggsound.py'

train_cfg = dict(max_epochs=25)
model = dict(shared_channels=256)
param_scheduler = dict(
    _delete_=True, type='ReduceOnPlateauLR', monitor='accuracy/joint', rule='greater', factor=0.5, patience=2)
