"""How the threads that share an operation talk: the words of their state, and how they wait."""

# Words of the pool's state, each in a cache line of its own: what one thread writes often must not
# slow down another that reads something else.
TICKET, DONE, ENTRY, BLOCK, STATUS, SLEEPING, IS_CLOSING = 0, 8, 16, 17, 18, 24, 32
STATE_WORDS = 40

MAX_PARTS = 256
PARTS_SHIFT, JOB_SHIFT, FIELD = 16, 32, 0xFFFF

SPINS = 2000
"""How often a worker looks before it sleeps: about 20 us, some times what waking it would cost."""

PATIENCE = 200
"""How often the giver of a job looks for its end before it lets another thread have its core."""

FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE = 128, 129
FUTEX_CALLS = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221}
"""The number of the system call on Linux: asm/unistd.h of each little-endian architecture."""
