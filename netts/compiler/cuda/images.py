"""Machine code of generated kernels: from memory, from the cache on disk, or compiled now."""

from __future__ import annotations

import hashlib
import json
import threading

from netts.compiler import cache as code_cache
from netts.devices.cuda import KernelCode, KernelImage, compile_kernel, fingerprint

_images: dict[str, KernelImage] = {}
_lock = threading.Lock()


def image_of(
    code: KernelCode, capability: tuple[int, int], max_registers: int | None = None
) -> KernelImage:
    """Return the machine code of a kernel for a compute capability; see `compile_kernel`."""
    made_of = json.dumps([fingerprint(capability), code.types, code.text, max_registers])
    key = hashlib.sha256(made_of.encode()).hexdigest()
    with _lock:
        if key not in _images:
            _images[key] = _from_cache(key, code) or _compiled(key, code, capability, max_registers)
        return _images[key]


def _compiled(
    key: str, code: KernelCode, capability: tuple[int, int], max_registers: int | None
) -> KernelImage:
    image = compile_kernel(code, capability, max_registers)
    code_cache.write(key, image.name.encode() + b"\n" + image.cubin)
    return image


def _from_cache(key: str, code: KernelCode) -> KernelImage | None:
    content = code_cache.read(key)
    if content is None:
        return None
    name, _, cubin = content.partition(b"\n")
    return KernelImage(name.decode(), code.types, cubin, code.title)
