"""Settings of the whole suite."""

from __future__ import annotations

import os
import signal
import sys
import threading

from hypothesis import HealthCheck, settings

settings.register_profile(
    "house", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

# Hundreds of tests start interpreters of their own, which would otherwise compile all of irconv again each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Models are small and the suite has a process for each processor: their threads would only wait for each other.
# Before numpy, PyTorch or TensorFlow are imported, which look once.
for _threads in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP"):
    os.environ.setdefault(f"{_threads}_THREADS", "1")

# A shell starts what it runs in the background with Ctrl-C ignored, nohup with the end of the terminal, and all
# children inherit that: the suite would then test another program than the one that people interrupt.
if threading.current_thread() is threading.main_thread():
    for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(_number) is signal.SIG_IGN:
            signal.signal(_number, _usual)
