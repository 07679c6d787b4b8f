"""From loops to speed: parses kernels, proves them independent, and lowers them to a device."""

from netts.compiler.checking import checked
from netts.compiler.index_space import parallel
from netts.compiler.kernel import Kernel, accelerate, element

__all__ = ["Kernel", "accelerate", "checked", "element", "parallel"]
