"""A wrong clock for one process: put this folder on its PYTHONPATH, and set CLOCK_SHIM to a file with a double.

The double is by how many seconds `time.time()`, `datetime.now()` and the like are ahead; it may change at any moment.
What measures durations (`time.monotonic()`, sleeping, waiting) goes on as it is. See `tests/e2e/clocks.py`.
"""

import datetime as dt
import mmap
import os
import struct
import time

with open(os.environ["CLOCK_SHIM"], "rb") as _file:
    _shared = mmap.mmap(_file.fileno(), 8, access=mmap.ACCESS_READ)
_time, _real = time.time, dt.datetime


def _offset():
    return struct.unpack("d", _shared[:8])[0]


def _shifted_time():
    return _time() + _offset()


class _AsDatetime(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, _real)

    def __subclasscheck__(cls, subclass):
        return issubclass(subclass, _real)


class _ShiftedDatetime(_real, metaclass=_AsDatetime):
    # All results are plain datetimes, because some encoders accept no others.
    def __new__(cls, *args, **kwargs):
        return _real(*args, **kwargs)

    @classmethod
    def now(cls, tz=None):
        return _real.fromtimestamp(_shifted_time(), tz)

    @classmethod
    def today(cls):
        return cls.now()

    @classmethod
    def utcnow(cls):
        return cls.now(dt.timezone.utc).replace(tzinfo=None)


for _name in ("fromtimestamp", "utcfromtimestamp", "fromisoformat", "strptime", "combine", "fromordinal"):
    setattr(_ShiftedDatetime, _name, getattr(_real, _name))

time.time = _shifted_time
time.time_ns = lambda: int(_shifted_time() * 1e9)
dt.datetime = _ShiftedDatetime
