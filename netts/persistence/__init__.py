"""Model files: one file for a model, safetensors with a JSON header, that executes nothing."""

from netts.persistence.container import ModelFile
from netts.persistence.files import check_replaceable, replace_file
from netts.persistence.loading import decode_model, load, read_model_file, require_kind
from netts.persistence.saving import save_model

__all__ = [
    "load",
    "save_model",
    "read_model_file",
    "require_kind",
    "decode_model",
    "ModelFile",
    "check_replaceable",
    "replace_file",
]
