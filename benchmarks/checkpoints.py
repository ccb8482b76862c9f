"""Measures a 528 MB PyTorch checkpoint on its way to safetensors and back, against copying the file.

Prints wall and CPU seconds and the peak memory of each, every one in a process of its own. The checkpoint has the size
of VGG16's: one large matrix and some smaller ones.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHAPES = {"classifier.0.weight": (4096, 25088), "classifier.3.weight": (4096, 4096), "features.weight": (12_460_288,)}


def measure(mode: str, folder: Path) -> None:
    """Do one thing and print wall seconds, CPU seconds and peak MB."""
    from irconv import api

    source = folder / "m.pt"
    destination = folder / f"out{mode}"
    wall, cpu = time.perf_counter(), time.process_time()
    if mode == ".copy":
        with source.open("rb") as file, destination.open("xb") as copy:
            while block := file.read(2**20):
                copy.write(block)
    else:
        api.convert(source, destination)
    status = Path("/proc/self/status").read_text()  # getrusage would report what the parent had at the fork
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(time.perf_counter() - wall, time.process_time() - cpu, peak)


def main() -> None:
    from irconv.frameworks.torch.state_dict import write_zip
    from irconv.ir.tensors import LazyTensor

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tensors = {name: LazyTensor.of(np.full(shape, 0.5, np.float32)) for name, shape in SHAPES.items()}
        write_zip(tensors, {}, folder / "m.pt", "m")
        del tensors
        print(f"{(folder / 'm.pt').stat().st_size / 1e6:.0f} MB")
        for mode in (".copy", ".safetensors", ".pt"):
            runs = []
            for _ in range(3):
                command = [sys.executable, __file__, mode, scratch]
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                runs.append([float(number) for number in result.stdout.split()])
                (folder / f"out{mode}").unlink()
            wall, cpu, peak = np.median(runs, axis=0)
            print(f"{mode:>12}: {wall:.2f} s wall, {cpu:.2f} s CPU, {peak:.0f} MB at most")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
