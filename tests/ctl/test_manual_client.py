# SPDX-License-Identifier: Apache-2.0
"""libcountersign: the header, the version script, the manual and what the library shows are one list."""
import re
import subprocess


def exports(build):
    text = subprocess.run(["nm", "-D", "--defined-only", build / ".libs/libcountersign.so"], check=True,
                          capture_output=True, text=True).stdout
    return {line.split()[2].split("@")[0] for line in text.splitlines() if line.split()[1] in "TWDBRVi"}


def test_the_library_shows_cs_names_alone(build):
    assert all(name.startswith("cs_") for name in exports(build))


def test_the_header_declares_what_the_library_shows(source, build):
    header = (source / "include/countersign/client.h").read_text()
    header = re.sub(r"/\*.*?\*/|typedef [^;]*;", "", header, flags=re.S)
    assert set(re.findall(r"\b(cs_[a-z_]+)\(", header)) == exports(build)


def test_the_manual_has_every_function_and_no_other(source, build):
    manual = (source / "broker/client/libcountersign.3").read_text()
    synopsis = manual.split(".Sh SYNOPSIS")[1].split(".Sh ")[0]
    described = manual.split(".Sh DESCRIPTION")[1]
    assert set(re.findall(r"^\.Fn (cs_[a-z_]+)", synopsis, flags=re.M)) == exports(build)
    assert set(re.findall(r"^\.Fn (cs_[a-z_]+)", described, flags=re.M)) == exports(build)
    assert set(re.findall(r"^\.Nm (cs_[a-z_]+)", manual, flags=re.M)) == exports(build)


def test_the_manual_has_every_status(source):
    header = (source / "include/countersign/client.h").read_text()
    manual = (source / "broker/client/libcountersign.3").read_text()
    statuses = set(re.findall(r"^\t(CS_STATUS_[A-Z_]+)", header, flags=re.M))
    assert statuses == set(re.findall(r"^\.It Dv (CS_STATUS_[A-Z_]+)", manual, flags=re.M))


def test_the_library_needs_libc_alone(build):
    text = subprocess.run(["objdump", "-p", build / ".libs/libcountersign.so"], check=True, capture_output=True,
                          text=True).stdout
    needed = set(re.findall(r"NEEDED\s+(\S+)", text))
    # A sanitizer's runtime is not ours.
    assert {n for n in needed if not n.startswith(("libasan", "libubsan", "libtsan"))} <= {"libc.so.6"}


def test_the_header_stands_alone(source, tmp_path):
    for compiler, name in (("cc", "alone.c"), ("c++", "alone.cc")):
        file = tmp_path / name
        file.write_text("#include <countersign/client.h>\nint main(void) { return cs_version() == 0; }\n")
        subprocess.run([compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", source / "include", "-c", file,
                        "-o", tmp_path / "alone.o"], check=True)


def test_the_example_stays_short(source):
    assert len((source / "examples/spend.c").read_text().splitlines()) < 40


def test_pkg_config_gives_the_flags(build):
    done = subprocess.run(["pkg-config", "--cflags", "--libs", build / "libcountersign.pc"], check=True,
                          capture_output=True, text=True)
    assert "-lcountersign" in done.stdout.split()
