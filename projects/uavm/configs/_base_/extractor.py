# What every training of the audio extractor has: mixed precision, the warm-up in steps, the mean of predictions.
_base_ = ['../../../../configs/_base_/default_runtime.py', './models/audio_extractor.py']

select_on = 'test'  # as published

# On a CPU, and wherever autocast to float16 fails: optim_wrapper.type=OptimWrapper.
model = dict(type='UAVMAudioExtractor')
optim_wrapper = dict(
    type='AmpOptimWrapper',
    zero_grad_set_to_none=False,
    optimizer=dict(type='Adam', lr=1e-4, betas=(0.95, 0.999), weight_decay=5e-7))
val_cfg = dict()
test_cfg = dict()

# The loss of the validation is that of the logits; published logs have that of the scores (loss_field='pred_score').
statistics = dict(type='UAVMStatistics', loss_field='pred_logits', middle='cut', keep=True)
warmup = dict(type='SteppedWarmupHook', batch_size=120)  # linear=True reaches the base rate
ensemble = dict(type='PredictionEnsembleHook')  # keep_all=True writes the predictions of every epoch
columns = ['AUC/joint', 'middle_precision/joint', 'middle_recall/joint', 'd_prime/joint', 'train_loss',
           'val_loss/joint']
