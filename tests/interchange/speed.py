"""Our example `gpt2` and transformers in turn, on the same folder.

    python speed.py EXAMPLE DIR [LENGTH [ROUNDS]]

EXAMPLE is the compiled program, DIR what `gpt2.py make` has made.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

from gpt2 import PROMPT

HERE = Path(__file__).parent


def ours(example, folder, length):
    command = ["/usr/bin/env", "python3", "-c", WATCH, example]
    command += ["--model", folder, "--prompt", PROMPT, "--temperature", "0"]
    command += ["--threads", "2", "--length", str(length)]
    done = subprocess.run(command, capture_output=True, check=True)
    said = done.stderr.decode()
    speed = float(re.search(r"([0-9.]+) tokens/s", said)[1])
    peak = int(re.search(r"peak ([0-9]+)", said)[1])
    text = done.stdout.decode().removesuffix("\n")
    return {"speed": speed, "peak_kib": peak, "text": text}


# Runs a program, and says how much memory it held at most
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("peak", peak, file=sys.stderr)
"""


def theirs(folder, length):
    command = [sys.executable, HERE / "gpt2.py", "write", folder, str(length)]
    done = subprocess.run(command, capture_output=True, check=True)
    return json.loads(done.stdout)


def visible(text):
    """The example spells out what could command a terminal."""
    control = lambda c: c < " " and c not in "\n\r\t" or "\x7f" <= c <= "\x9f"
    spell = lambda c: f"\\u{{{ord(c):x}}}" if control(c) else c
    return "".join(map(spell, text))


def main(example, folder, length=64, rounds=3):
    length, rounds = int(length), int(rounds)
    us, them = [], []
    for _ in range(rounds):
        us.append(ours(example, folder, length))
        them.append(theirs(folder, length))
    # Of the last character, bytes may be missing: both stop in the middle
    ends = [us[0]["text"], visible(them[0]["text"]).rstrip("\ufffd")]
    same = ends[0] == ends[1]
    weights = (Path(folder) / "model.safetensors").stat().st_size / 2**20
    middle = lambda rows, key: median(row[key] for row in rows)
    mib = lambda rows: middle(rows, "peak_kib") / 1024
    print(f"{rounds} rounds in turn, {length} tokens after the prompt, 2 threads")
    print("                            tokens/s   most memory")
    row = "{:<27}{:>9.1f}{:>10.0f} MiB".format
    print(row("the example gpt2", middle(us, "speed"), mib(us)))
    print(row("transformers, generate", middle(them, "generate"), mib(them)))
    print(row("transformers, by hand", middle(them, "by_hand"), mib(them)))
    print(f"{'the weights':<36}{weights:>10.0f} MiB")
    print(f"the same text: {'yes' if same else 'no'}")
    each = lambda rows, key: ", ".join(f"{row[key]:5.2f}" for row in rows)
    print(f"each round: the example          {each(us, 'speed')}")
    print(f"            generate             {each(them, 'generate')}")
    print(f"            by hand              {each(them, 'by_hand')}")
    print("torch and transformers:", *them[0]["versions"])


main(*sys.argv[1:])
