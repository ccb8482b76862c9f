"""Measures a transposed 411 MB matrix, in tiles, against the floor: reading and writing the same bytes.

Prints CPU seconds and peak memory of both, each in a process of its own, and their ratio. The matrix is the first fully
connected layer of VGG16 (25088 x 4096, float32).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHAPE = (25088, 4096)


def measure(mode: str, folder: Path) -> None:
    """Write the matrix once, as it is or transposed, and print wall seconds, CPU seconds and peak MB."""
    from irconv.containers import safetensors
    from irconv.containers.files import SourceFile
    from irconv.layout import relayout

    tensor = safetensors.read(SourceFile(folder / "matrix.safetensors"))[0]["w"]
    if mode == "transposed":
        tensor = tensor.relayout(relayout("in out", "out in", SHAPE))
    wall, cpu = time.perf_counter(), time.process_time()
    safetensors.write(folder / f"{mode}.safetensors", {"w": tensor})
    status = Path("/proc/self/status").read_text()  # getrusage would report what the parent had at the fork
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(time.perf_counter() - wall, time.process_time() - cpu, peak)


def main() -> None:
    from irconv.containers import safetensors
    from irconv.ir.tensors import LazyTensor

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        matrix = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
        safetensors.write(folder / "matrix.safetensors", {"w": LazyTensor.of(matrix)})
        figures = {}
        for mode in ("copied", "transposed"):
            command = [sys.executable, __file__, mode, scratch]
            runs = []
            for _ in range(3):
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                runs.append([float(number) for number in result.stdout.split()])
                (folder / f"{mode}.safetensors").unlink()
            wall, cpu, peak = np.median(runs, axis=0)
            figures[mode] = cpu
            print(f"{mode:>10}: {wall:.2f} s wall, {cpu:.2f} s CPU, {peak:.0f} MB at most")
        print(f"     ratio: {figures['transposed'] / figures['copied']:.1f} of CPU")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
