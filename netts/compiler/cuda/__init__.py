"""The cuda lowering: nests as kernels for numba-cuda, which knows them as text only."""
