# CMRAN on synthetic AVE with maps of the official 7 x 7 cells, for timing. 320 videos are made at first use (0.7 GB).
# Launch: python tools/analysis_tools/benchmark.py benchmarks/configs/ave_cmran.py --what data step epoch \
#             --compare benchmarks/ave_cmran.py --threads 1
_base_ = '../../projects/cmran/configs/cmran_supv_1xb32-200e_ave.py'

data_root = 'data/bench_ave'
prepare_data = dict(script='tools/dataset_converters/ave_synthetic.py', creates=data_root,
                    args=['--videos', '320', '--grid', '7'])
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
