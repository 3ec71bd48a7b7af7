"""The folder in llama.cpp's own converter, which is in the current folder.

    python llama_convert.py FOLDER QUESTIONS

It knows a tokenizer by the ids of one fixed text, and cannot know ours. What
it says is recorded here, so that nobody has to try again.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

script = next(Path.cwd().rglob("convert_hf_to_gguf.py"))
release = script.relative_to(Path.cwd()).parts[0]
with tempfile.TemporaryDirectory() as out:
    run = subprocess.run(
        [sys.executable, script, sys.argv[1], "--outfile", f"{out}/m.gguf"],
        capture_output=True,
        text=True,
    )
lines = run.stderr.strip().splitlines() or [""]
said = "yes" if run.returncode == 0 else lines[-1].strip()
line = {"client": "llama.cpp's converter", "versions": {"from": release}}
line |= {"equal": None, "apart": None, "also": {"converts": said}}
print(json.dumps(line))
