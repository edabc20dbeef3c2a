from avmm.engine.hooks.checkpoint_hook import CheckpointHook
from avmm.engine.hooks.data_report_hook import DataReportHook
from avmm.engine.hooks.early_stopping_hook import EarlyStoppingHook
from avmm.engine.hooks.runtime_info_hook import RuntimeInfoHook

__all__ = ['CheckpointHook', 'DataReportHook', 'EarlyStoppingHook', 'RuntimeInfoHook']
