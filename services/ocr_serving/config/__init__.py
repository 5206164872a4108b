"""What a service and its modules are told: config.json and the environment (`service`), and parameters of modules (`params`)."""

from ocr_serving.config.service import (
    ENV_PREFIX,
    SETTINGS,
    ModuleConfig,
    ServiceConfig,
    build,
    is_offline,
    misspelt,
    read_file,
)

__all__ = ["ENV_PREFIX", "SETTINGS", "ModuleConfig", "ServiceConfig", "build", "is_offline", "misspelt", "read_file"]
