"""Run every benchmark and print one table: ``python -m tests.benchmarks [NAME ...]``.

Ours and the reference run in one process with the same number of threads: one, unless the row says
otherwise. Times are medians of wall time, in milliseconds.
"""

import argparse
import importlib.util
import math
import sys
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

HERE = Path(__file__).parent


def _load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _number(value, pattern: str) -> str:
    """Write a number, or a dash for a row that has nothing to be compared with."""
    return "-" if value is None or math.isnan(value) else format(value, pattern)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    known = [path.stem.removeprefix("bench_") for path in sorted(HERE.glob("bench_*.py"))]
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(known)}; all by default")
    args = parser.parse_args()
    head = f"{'what':<66} {'ours ms':>9} {'reference':<26} {'ref. ms':>9} {'ratio':>7} {'error':>8}"
    print(head, "-" * len(head), sep="\n")
    for name in args.names or known:
        if name not in known:
            sys.exit(f"no benchmark {name!r}; known are {', '.join(known)}")
        benchmark = _load(HERE / f"bench_{name}.py")
        torch.set_num_threads(1)
        with threadpool_limits(1):
            rows = benchmark.run()
        for row in rows:
            print(
                f"{row['what']:<66} {row['ours_ms']:>9.1f} {row['reference'] or '-':<26} "
                f"{_number(row['reference_ms'], '9.1f'):>9} {_number(row['ratio'], '.1f'):>6}x "
                f"{_number(row['error'], '.0e'):>8}",
                flush=True,
            )


if __name__ == "__main__":
    main()
