"""Frames: what a store and the process of its scribe say to each other.

One letter, the length of what follows, and that. The store sends C (append a write-set), F (fold),
R (forget all), Q (end; Q1 after a last fold); the scribe answers each with the same letter, or with
X, that letter, and what went wrong.
"""

from __future__ import annotations

import struct

FRAME = struct.Struct(">cI")
COUNT = struct.Struct(">I")
