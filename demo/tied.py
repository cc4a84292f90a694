"""Becomes the program in its arguments, which the kernel kills when our parent, the first argument, dies."""

import os
import sys

from quazzar.processes import kernel

kernel.die_with(int(sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606
