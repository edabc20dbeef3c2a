# The quickstart with the fusion, the balancing hook and the metric of this project.
# Launch:   python tools/train.py projects/example_project/configs/example_project_av_digits.py
# Override: --cfg-options custom_hooks.0.power=0.5 train_cfg.max_epochs=10
_base_ = '../../../configs/quickstart/av_digits.py'

custom_imports = dict(imports=['projects.example_project.example_project'])

model = dict(fusion=dict(_delete_=True, type='ExampleProjectFusion'))
custom_hooks = [dict(type='ExampleProjectBalancing', power=1.0), *_base_.custom_hooks]
val_evaluator = [_base_.val_evaluator, dict(type='ExampleProjectGap')]
test_evaluator = val_evaluator
