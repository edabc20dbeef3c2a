# CMRAN with weak supervision on synthetic AVE, for timing; the plain reference takes `setting` from here.
_base_ = '../../projects/cmran/configs/cmran_weak_1xb32-200e_ave.py'

data_root = 'data/bench_ave'
prepare_data = dict(script='tools/dataset_converters/ave_synthetic.py', creates=data_root,
                    args=['--videos', '320', '--grid', '7'])
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
