"""The compiled stand-ins of `netts.compiler.functions`: polynomials and bits, vectorised by LLVM.

numba's wheels have no vector library (SVML): a loop over `math.tanh` calls the C library once an
element. These functions have neither calls nor branches, so a loop around them turns into packed
instructions on any CPU. They agree with the reference within 3 ulp over the whole range, subnormal
results included, and exactly on zeros, infinities and NaN (`tests/compiler/test_vector_math.py`).

One body serves both dtypes: its constants and coefficients are those of its argument's dtype, so in
float32 there is no float64 arithmetic. Generated code calls ``NAME_float32`` and ``NAME_float64``,
from loops that are compiled with more fastmath flags; flags belong to single instructions, so the
compensated sums here keep their order wherever they are inlined.

Sources: Cephes 2.2 (S. L. Moshier, netlib.org/cephes) and fdlibm 5.3 (Sun Microsystems,
netlib.org/fdlibm) with FreeBSD's float32 versions of it; W. J. Cody and W. Waite, "Software Manual
for the Elementary Functions", 1980, for the reduction by multiples of ln 2.
"""

import math
from typing import NamedTuple

from netts.compiler import compiling
from netts.compiler.bits import constants_of, copysign, polynomial, power_of_two, split_exponent

# "contract" lets a product and a sum become one instruction with one rounding (FMA); nothing below
# relies on the rounding of a product. "reassoc" would undo the compensated sums.
inlined = compiling.inlined(fastmath={"contract"})


class Constants(NamedTuple):
    """The numbers of one dtype that the formulas below are made of."""

    mantissa_bits: float
    two_to_mantissa: float
    rounder: (
        float  # 1.5 * 2**mantissa_bits: adding and subtracting it rounds to the nearest integer
    )
    smallest_normal: float
    ln2_high: float  # so few bits that n * ln2_high is exact for every exponent n
    ln2_low: float  # ln 2 - ln2_high
    exp_lowest: float  # here and below, e**x rounds to 0
    exp_highest: float  # here and above, e**x rounds to infinity
    zero: float = 0.0
    half: float = 0.5
    one: float = 1.0
    two: float = 2.0
    infinity: float = math.inf
    nan: float = math.nan
    log2_e: float = 1.0 / math.log(2.0)
    erf_one: float = 6.0  # here and above, erf(x) rounds to 1 in both dtypes


constants = constants_of(
    float32=Constants(
        mantissa_bits=23,
        two_to_mantissa=2.0**23,
        rounder=1.5 * 2.0**23,
        smallest_normal=2.0**-126,
        ln2_high=0.693359375,  # Cephes expf.c, C1 and C2
        ln2_low=-2.12194440e-4,
        exp_lowest=-104.0,
        exp_highest=89.0,
    ),
    float64=Constants(
        mantissa_bits=52,
        two_to_mantissa=2.0**52,
        rounder=1.5 * 2.0**52,
        smallest_normal=2.0**-1022,
        ln2_high=6.93145751953125e-1,  # Cephes exp.c, C1 and C2
        ln2_low=1.42860682030941723212e-6,
        exp_lowest=-746.0,
        exp_highest=710.0,
    ),
)


def exp_series(degree):
    """Coefficients of (e**r - 1 - r) / r**2 up to r**degree in e**r: Taylor's, 1/k!."""
    return [1.0 / math.factorial(k) for k in range(2, degree + 1)]


# The next term of the series at r = ln(2)/2 is 0.09 ulp in float32 and 0.04 ulp in float64.
exp_tail = polynomial(float32=exp_series(7), float64=exp_series(13))


def atanh_series(n_terms):
    """Coefficients of (2 atanh(s) - 2 s) / s**3 in s**2: Taylor's, 2 / (2 k + 1)."""
    return [2.0 / (2 * k + 1) for k in range(1, n_terms + 1)]


# The next term of the series at s = 1/3 is 0.02 ulp in both dtypes.
atanh_tail = polynomial(float32=atanh_series(7), float64=atanh_series(16))

# The same for abs(s) < 0.172, with fewer terms: FreeBSD e_logf.c and fdlibm e_log.c, Lg1 onwards.
log_tail = polynomial(
    float32=[0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841],
    float64=[
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
    ],
)


def erf_polynomial(*coefficients):
    """Use the same coefficients in both dtypes: their rounding is not what limits float32."""
    return polynomial(float32=coefficients, float64=coefficients)


# Cephes ndtr.c: T / U is erf(x) / x in x**2 for 0 <= x < 1, P / Q is erfc(x) * e**(x*x) for
# 1 <= x < 8, in x.
erf_t = erf_polynomial(
    5.55923013010394962768e4,
    7.00332514112805075473e3,
    2.23200534594684319226e3,
    9.00260197203842689217e1,
    9.60497373987051638749e0,
)
erf_u = erf_polynomial(
    4.92673942608635921086e4,
    2.26290000613890934246e4,
    4.59432382970980127987e3,
    5.21357949780152679795e2,
    3.35617141647503099647e1,
    1.0,
)
erf_p = erf_polynomial(
    5.57535335369399327526e2,
    1.02755188689515710272e3,
    9.34528527171957607540e2,
    5.26445194995477358631e2,
    1.96520832956077098242e2,
    4.86371970985681366614e1,
    7.46321056442269912687e0,
    5.64189564831068821977e-1,
    2.46196981473530512524e-10,
)
erf_q = erf_polynomial(
    5.57535340817727675546e2,
    1.65666309194161350182e3,
    2.24633760818710981792e3,
    1.82390916687909736289e3,
    9.75708501743205489753e2,
    3.54937778887819891062e2,
    8.67072140885989742329e1,
    1.32281951154744992508e1,
    1.0,
)


@inlined
def exp_parts(x):
    """(p, h, j) with e**x = (1 + p) * 2**h * 2**j.

    x = n ln 2 + r with abs(r) <= ln(2)/2 and p = e**r - 1. n is split into two halves, because 2**n
    itself is no normal number where e**x is subnormal or about to overflow. NaN passes both clamps.
    """
    c = constants(x)
    x = c.exp_highest if x > c.exp_highest else x
    x = c.exp_lowest if x < c.exp_lowest else x
    n = (x * c.log2_e + c.rounder) - c.rounder
    h = (n * c.half + c.rounder) - c.rounder
    r = (x - n * c.ln2_high) - n * c.ln2_low
    return r + r * r * exp_tail(r), h, n - h


@inlined
def exp(x):
    """e**x = (1 + p) * 2**h * 2**j."""
    c = constants(x)
    p, h, j = exp_parts(x)
    return (c.one + p) * power_of_two(h) * power_of_two(j)


@inlined
def expm1(x):
    """e**x - 1 = (2**h * p + (2**h - 2**-j)) * 2**j, which for abs(x) < ln(2)/2 is p itself."""
    p, h, j = exp_parts(x)
    scale = power_of_two(h)
    result = (scale * p + (scale - power_of_two(-j))) * power_of_two(j)
    return copysign(result, x)  # -0.0 came out of the sum as 0.0


@inlined
def log(x):
    """Sum k ln 2 and log(m) with x = 2**k * m, as in fdlibm's e_log.c.

    With m = 1 + f and s = f / (2 + f), log(m) = f - (f*f/2 - s * (f*f/2 + s*s * log_tail(s*s))):
    f, which is exact, is added last.
    """
    c = constants(x)
    is_subnormal = x < c.smallest_normal
    k, m = split_exponent(x * c.two_to_mantissa if is_subnormal else x)
    k -= c.mantissa_bits if is_subnormal else c.zero
    f = m - c.one
    s = f / (c.two + f)
    half_square = c.half * f * f
    low = s * (half_square + s * s * log_tail(s * s)) + k * c.ln2_low
    result = k * c.ln2_high - ((half_square - low) - f)
    result = result if x < c.infinity else x  # infinity, and NaN
    result = result if x != c.zero else -c.infinity
    return c.nan if x < c.zero else result


@inlined
def log1p(x):
    """log(u) + error / u, where u + error is 1 + x exactly: Knuth's two-sum (TAOCP 2, 4.2.2)."""
    c = constants(x)
    u = c.one + x
    x_in_u = u - c.one
    error = (c.one - (u - x_in_u)) + (x - x_in_u)
    result = log(u)
    # Where log(u) is infinite or NaN, error / u is NaN.
    result += error / u if abs(result) < c.infinity else c.zero
    return copysign(result, x)  # -0.0 came out of the sum as 0.0


@inlined
def tanh(x):
    """-t / (2 + t) with t = e**(-2 abs(x)) - 1, which keeps small x accurate; the sign is x's."""
    c = constants(x)
    t = expm1(-c.two * abs(x))
    return copysign(t / (c.two + t), x)


@inlined
def sigmoid(x):
    """1 / (1 + e**-x), and e**x / (1 + e**x) below zero, where e**-x would overflow."""
    c = constants(x)
    tail = exp(-abs(x))
    return (tail if x < c.zero else c.one) / (c.one + tail)


@inlined
def softplus(x):
    """max(x, 0) + log1p(t) with t = e**-abs(x).

    1 + t lies between 1 and 2, so log1p needs no exponent: with s = t / (2 + t), it is 2 atanh(s) =
    t - s * (t - s*s * atanh_tail(s*s)).
    """
    c = constants(x)
    t = exp(-abs(x))
    s = t / (c.two + t)
    square = s * s
    return (x if x > c.zero else c.zero) + (t - s * (t - square * atanh_tail(square)))


@inlined
def erf(x):
    """Cephes ndtr.c, a = abs(x): a T(a*a) / U(a*a) for a < 1, then 1 - e**(-a*a) P(a) / Q(a).

    Both numerators and denominators are computed, then one division. The rounding of a*a needs no
    compensation: its effect on the result is at most a*a * erfc(a) < 0.16 of an ulp.
    """
    c = constants(x)
    a = abs(x)
    a = c.erf_one if a > c.erf_one else a
    square = a * a
    is_small = a < c.one
    small, small_divisor = a * erf_t(square), erf_u(square)
    large, large_divisor = exp(-square) * erf_p(a), erf_q(a)
    ratio = (small if is_small else large) / (small_divisor if is_small else large_divisor)
    return copysign(ratio if is_small else c.one - ratio, x)


@inlined
def sqrt(x):
    """Take the CPU's own square root, correctly rounded; NaN below zero."""
    return math.sqrt(x)


exp_float32 = exp_float64 = exp
expm1_float32 = expm1_float64 = expm1
log_float32 = log_float64 = log
log1p_float32 = log1p_float64 = log1p
tanh_float32 = tanh_float64 = tanh
sigmoid_float32 = sigmoid_float64 = sigmoid
softplus_float32 = softplus_float64 = softplus
erf_float32 = erf_float64 = erf
sqrt_float32 = sqrt_float64 = sqrt
