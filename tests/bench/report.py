# SPDX-License-Identifier: Apache-2.0
"""The table: what was measured, beside what, and whether the target was reached."""
import json
import os
import platform
import shutil
import subprocess
import time

FSYNC_TRIES = 200
COLUMNS = ("what", "answers/s", "p50 µs", "p99 µs", "server µs", "beside", "ratio", "by CPU", "target", "reached")


def _first_line(*argv):
    if shutil.which(argv[0]) is None:
        return "absent"
    done = subprocess.run(argv, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def _fsync_us(directory):
    """What one append of 4 KiB with fdatasync costs here: the floor under every durable answer."""
    path, times = os.path.join(directory, "fsync"), []
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    for _ in range(FSYNC_TRIES):
        os.write(fd, bytes(4096))
        start = time.perf_counter()
        os.fdatasync(fd)
        times.append(time.perf_counter() - start)
    os.close(fd)
    os.unlink(path)
    return round(sorted(times)[FSYNC_TRIES // 2] * 1e6)


def stolen():
    """(time that the host gave to others, all time), in ticks since the machine started."""
    with open("/proc/stat") as f:
        ticks = [int(word) for word in f.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def machine(directory):
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())
    return {
        "cpu": cpu, "cpus": os.cpu_count(), "kernel": platform.release(),
        "file_system": _first_line("stat", "-f", "-c", "%T", directory), "fdatasync_us": _fsync_us(directory),
        "load_before": os.getloadavg()[0], "redis": _first_line("redis-server", "--version").split(" sha=")[0],
        "nginx": _first_line("nginx", "-v"), "openssl": _first_line("openssl", "version"),
    }


def machine_line(m):
    line = (f"{m['cpus']} × {m['cpu']}, Linux {m['kernel']}, {m['file_system']}, fdatasync {m['fdatasync_us']} µs, "
            f"{m['redis']}, {m['nginx']}, {m['openssl']}")
    if m["load_before"] > 0.5 or m["stolen_percent"] > 1:
        line += (f"\nThe machine was not ours alone: load {m['load_before']:.1f} before the start, {m['stolen_percent']:.1f} % "
                 "of its time taken by the host. Expect noise.")
    if m["file_system"] in ("tmpfs", "ramfs"):
        line += "\nThe scratch directory is in memory: fsync costs nothing here, so durable rows mean little."
    return line


def _number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def _cells(row):
    if row.get("error"):
        return (row["what"], "failed", "", "", "", row.get("beside") or "", "", "", row.get("target") or "", "no")
    reached = row.get("reached")
    return (row["what"], row.get("text") or _number(row.get("rate")), _number(row.get("p50_us"), 1),
            _number(row.get("p99_us"), 1), _number(row.get("server_cpu_us"), 2), row.get("beside") or "",
            _number(row.get("ratio"), 2), _number(row.get("cpu_ratio"), 2), row.get("target") or "",
            "" if reached is None else "yes" if reached else "no")


def print_table(rows):
    table = [COLUMNS] + [_cells(row) for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(COLUMNS))]
    left = {0, 5, 8, 9}
    for n, line in enumerate(table):
        print("  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip())
        if n == 0:
            print("  ".join("-" * w for w in widths))


def write_json(path, facts, rows):
    with open(path, "w") as f:
        json.dump({"machine": facts, "rows": rows}, f, indent=1, ensure_ascii=False)
        f.write("\n")
