#!/usr/bin/env python3
"""Does the simulator find what is wrong? Each mutation of mutants.txt is made in a copy of its source, that is compiled and linked
into a simulator of its own, and seeds are run until one fails. `make mutants` ends with `N passed, N failed`: FOUND of all must be
at least SHARE percent within SEEDS seeds.

mutants.txt: blocks, an empty line between them:
    name: what is wrong
    by: sim | core          chosen knowing the simulator, or by reading core alone
    file: core/NAME.c
    - a line as it stands there (leading white space apart); several in a row are several lines
    + what takes its place

usage: mutants.py SIM LIBCORE [--seeds N] [--share PERCENT] [--only WORD] [--jobs N]
       mutants.py --check
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(ROOT, "build", "mutants")


def fail(text):
    print(f"mutants: {text}", file=sys.stderr)
    sys.exit(2)


def read_mutants(path):
    mutants = []
    with open(path, encoding="utf-8") as file:
        blocks = re.split(r"\n\s*\n", file.read())
    for block in blocks:
        mutant = {"old": [], "new": []}
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line.startswith("-"):
                mutant["old"].append(line[1:].strip())
            elif line.startswith("+"):
                mutant["new"].append(line[1:].strip())
            elif ":" in line:
                key, value = line.split(":", 1)
                mutant[key.strip()] = value.strip()
        if "name" in mutant:
            mutants.append(mutant)
    return mutants


def mutate(mutant):
    """The source with the mutation; what does not stand there exactly once is an error: code has moved on."""
    with open(os.path.join(ROOT, mutant["file"]), encoding="utf-8") as file:
        lines = file.read().split("\n")
    old = mutant["old"]
    places = [i for i in range(len(lines)) if [l.strip() for l in lines[i:i + len(old)]] == old]
    if len(places) != 1:
        fail(f"{mutant['name']}: its lines stand {len(places)} times in {mutant['file']}")
    at = places[0]
    return "\n".join(lines[:at] + mutant["new"] + lines[at + len(old):])


def compile_command(source):
    """How make compiles it, without a profile: its counts would not be of the same code."""
    target = "build/release/" + source.replace(".c", ".o")
    printed = subprocess.run(["make", "-n", "-B", "-o", "Makefile", "-o", "deps-needed", "V=1", "PGO=0", target], cwd=ROOT, text=True,
                             capture_output=True, check=True).stdout
    for line in printed.splitlines():
        if f"-o {target}" in line and " -c " in line:
            return shlex.split(line[line.index("gcc"):] if "gcc" in line else line), target
    fail(f"make does not say how it compiles {source}")


def build(number, mutant, arguments):
    directory = os.path.join(OUT, str(number))
    os.makedirs(directory, exist_ok=True)
    source = os.path.join(directory, os.path.basename(mutant["file"]))
    with open(source, "w", encoding="utf-8") as file:
        file.write(mutate(mutant))
    command, target = compile_command(mutant["file"])
    mutated = os.path.join(directory, "mutated.o")
    command = [mutated if word == target else source if word == mutant["file"] else word for word in command]
    at = command.index("-MF")
    command = [word for word in command[:at] + command[at + 2:] if word not in ("-MMD", "-MP")] + ["-iquote", "core", "-w"]
    subprocess.run(command, cwd=ROOT, check=True)
    program = os.path.join(directory, "sim")
    objects = subprocess.run(["make", "-s", "print-sim-objects"], cwd=ROOT, text=True, capture_output=True,
                             check=True).stdout.split()
    # Its object comes before the library: the library's own of that name is not taken.
    subprocess.run(["gcc", "-fno-lto", "-o", program, mutated] + objects + [arguments.libcore, "-lldns"], cwd=ROOT, check=True)
    return program


def judge(number, mutant, arguments):
    program = build(number, mutant, arguments)
    result = subprocess.run([program, "--runs", str(arguments.seeds), "--no-shrink"], cwd=ROOT, text=True,
                            capture_output=True)
    failed = re.search(r"^FAIL (.*)", result.stdout, re.M)
    if result.returncode == 0:
        return None
    if not failed:
        fail(f"{mutant['name']}: {result.stdout[-400:]}{result.stderr[-400:]}")
    return failed.group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sim", nargs="?")
    parser.add_argument("libcore", nargs="?")
    parser.add_argument("--check", action="store_true", help="only see that each one's lines stand where they are to be changed")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--share", type=int, default=80)
    parser.add_argument("--only", default="", help="those with one of these WORD|WORD... in their name")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    mutants = [m for m in read_mutants(os.path.join(HERE, "mutants.txt")) if any(word in m["name"] for word in arguments.only.split("|"))]
    if not mutants:
        fail("none of that name")
    if arguments.check:
        for mutant in mutants:
            mutate(mutant)
        return 0
    if arguments.sim is None or arguments.libcore is None:
        parser.error("SIM and LIBCORE, or --check")
    found = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        waits = [pool.submit(judge, i, m, arguments) for i, m in enumerate(mutants)]
        for mutant, wait in zip(mutants, waits):
            message = wait.result()
            found += message is not None
            print(f"{'found   ' if message else 'SURVIVES'} {mutant['name']} ({mutant['file']}, by {mutant['by']})"
                  + (f": {message[:160]}" if message else ""), flush=True)
    share = 100 * found // len(mutants)
    print(f"{found} of {len(mutants)} mutants are found within {arguments.seeds} seeds: {share} %")
    is_enough = share >= arguments.share
    print(f"{int(is_enough)} passed, {int(not is_enough)} failed")
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
