from avmm.deployment.export import FORMATS, ExportableModel, check_export, export_model

__all__ = ['FORMATS', 'ExportableModel', 'check_export', 'export_model']
