"""Matrix products as the compiler sees them, and as cuBLAS wants to be asked for them.

The compiler knows how far apart in memory the neighbours of an element are, along each axis. cuBLAS
counts down columns: what is stored row by row is to it a transposed matrix, and a product that is
to be stored row by row is the transposed one, right times left.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGEST = 2**31 - 1
"""The largest number that cuBLAS's functions take without the suffix `_64`."""


@dataclass(frozen=True)
class Steps:
    """How many elements further the next one is: down a column, along a row, in the next matrix.

    One of `row` and `column` is 1, the other no shorter than what it steps over.
    """

    row: int
    column: int
    batch: int = 0

    @property
    def is_by_rows(self) -> bool:
        """Whether the elements of a row are neighbours."""
        return self.column == 1

    @property
    def leading(self) -> int:
        """What cuBLAS calls the leading dimension."""
        return self.row if self.is_by_rows else self.column


@dataclass(frozen=True)
class Gemm:
    """`out = left @ right`, or `out += left @ right`, for each matrix of a batch.

    Attributes
    ----------
    dtype
        "float32" or "float64".
    m, n, k
        Rows and columns of the result, and the length of the sums.
    precision
        "full", or "tf32" for products of factors rounded to ten bits.
    """

    dtype: str
    m: int
    n: int
    k: int
    left: Steps
    right: Steps
    out: Steps
    batch: int = 1
    accumulates: bool = False
    precision: str = "full"

    @property
    def multiply_adds(self) -> int:
        """How many products of two numbers it adds up."""
        return self.batch * self.m * self.n * self.k

    def __str__(self) -> str:
        times = f"{self.batch} times " if self.batch > 1 else ""
        return f"{times}({self.m}, {self.k}) x ({self.k}, {self.n})"

    @property
    def call(self) -> GemmCall:
        """What cuBLAS is asked for."""
        first, second, m, n = self.left, self.right, self.m, self.n
        # A matrix stored by rows is, by columns, the transposed one: out' = right' left'.
        if self.out.is_by_rows:
            first, second, m, n = second, first, n, m
            is_transposed = not first.is_by_rows, not second.is_by_rows
        else:
            is_transposed = first.is_by_rows, second.is_by_rows
        return GemmCall(
            self._function(), self.out.is_by_rows, is_transposed, (m, n, self.k),
            (first.leading, second.leading, self.out.leading),
            (first.batch, second.batch, self.out.batch) if self.batch > 1 else None,
            self.batch,
        )  # fmt: skip

    def _function(self) -> str:
        letter = {"float32": "s", "float64": "d"}[self.dtype]
        steps = [one.leading for one in (self.left, self.right, self.out)]
        is_long = max(self.m, self.n, self.k, self.batch, *steps) > LARGEST
        batched = "_strided_batched" if self.batch > 1 else ""
        return f"{letter}gemm{batched}{'_64' if is_long else ''}"


@dataclass(frozen=True)
class GemmCall:
    """The arguments of a function of cuBLAS, but for addresses.

    Attributes
    ----------
    function
        As the bindings name it.
    is_swapped
        Whether its first matrix is the right factor.
    is_transposed
        Of its first and second matrix.
    sizes, leading
        m, n, k and lda, ldb, ldc in its terms.
    strides
        From one matrix of a batch to the next; None where there is one of each.
    """

    function: str
    is_swapped: bool
    is_transposed: tuple[bool, bool]
    sizes: tuple[int, int, int]
    leading: tuple[int, int, int]
    strides: tuple[int, int, int] | None
    batch: int

    def arguments(
        self,
        operations: tuple[int, int],
        alpha: int,
        beta: int,
        addresses: tuple[int, int, int],
    ) -> tuple[int, ...]:
        """Return what the function is called with behind the handle.

        Parameters
        ----------
        operations
            What the library calls a matrix as it is, and a transposed one.
        alpha, beta
            The addresses of the numbers that scale the product, and the result as it was.
        addresses
            Of the left factor, the right factor and the result.
        """
        left, right, out = addresses
        first, second = (right, left) if self.is_swapped else (left, right)
        places = list(zip((first, second, out), self.leading, strict=True))
        matrices: list[tuple[int, ...]] = list(places)
        if self.strides is not None:
            matrices = [(*one, step) for one, step in zip(places, self.strides, strict=True)]
        transposed = (operations[one] for one in self.is_transposed)
        end = () if self.strides is None else (self.batch,)
        return (
            *transposed, *self.sizes, alpha, *matrices[0], *matrices[1], beta, *matrices[2], *end
        )  # fmt: skip
