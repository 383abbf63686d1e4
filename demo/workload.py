"""A small inference-like workload for the demo: it multiplies matrices for as long as it is told.

It uses the GPU where PyTorch and a GPU are there, else the processor; it only has to do work that a
meter can see. Usage: python -m demo.workload SECONDS
"""

from __future__ import annotations

import sys
import time


def _multiply(size: int) -> float:
    left = [[(row * column) % 7 + 0.5 for column in range(size)] for row in range(size)]
    right = list(zip(*left, strict=True))
    return sum(sum(a * b for a, b in zip(row, column, strict=True)) for row in left for column in right)


def _multiply_on_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    if not torch.cuda.is_available():
        return False
    matrix = torch.rand(4096, 4096, device="cuda")
    for _ in range(50):
        matrix = torch.nn.functional.normalize(matrix @ matrix)
    torch.cuda.synchronize()
    return True


def main() -> None:
    """Work for the seconds named on the command line."""
    end = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end:
        if not _multiply_on_gpu():
            _multiply(60)


if __name__ == "__main__":
    main()
