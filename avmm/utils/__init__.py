from avmm.utils.errors import (
                               AVMMError,
                               CheckpointError,
                               ConfigError,
                               DataError,
                               MissingDependencyError,
                               NonFiniteLossError,
                               optional_import,
)

__all__ = [
    'AVMMError', 'CheckpointError', 'ConfigError', 'DataError', 'MissingDependencyError', 'NonFiniteLossError',
    'optional_import'
]
