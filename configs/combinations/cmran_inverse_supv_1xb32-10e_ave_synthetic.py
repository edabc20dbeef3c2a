# CMRAN on synthetic AVE with inverse effectiveness on its interaction: a row that neither paper has.
# Launch:   python tools/train.py configs/combinations/cmran_inverse_supv_1xb32-10e_ave_synthetic.py
# Override: --cfg-options custom_hooks.0.gamma=2.0
_base_ = '../../projects/cmran/configs/cmran_supv_1xb32-10e_ave_synthetic.py'

# The interaction is the layer that fuses. What a modality says alone, as the model defines it, is trained as well.
custom_hooks = [
    dict(type='InverseEffectiveness', gamma=1.0, ends=None, params=dict(pattern=r'^interaction'),
         loss=dict(type='CrossEntropyLoss'))
]
