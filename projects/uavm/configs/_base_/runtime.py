# What every run on features has: the modality of a batch is drawn, result.csv, the best epoch as published.
_base_ = '../../../../configs/_base_/default_runtime.py'

select_on = 'test'  # as published; select_on=val holds clips of the training list out

default_hooks = dict(checkpoint=dict(max_keep_ckpts=1, save_best='accuracy/joint', rule='greater'))
custom_hooks = [dict(type='ModalityDrawHook', prob=0.5), dict(type='ResultTableHook')]
# A batch trains one branch; the gradients of the other become zeros, so that Adam moves it on as published.
find_unused_parameters = True

# What cross-modality attention writes into the columns of each modality: it has one prediction.
joint_columns = ['accuracy/joint', 'mAP/joint', 'AUC/joint'] * 3 + ['lr']
