"""What the scripts here share: the questions, and the form of an answer.

Each script takes an exported folder and a file of questions, and prints one
line of JSON:

    client    its name
    versions  of everything that may matter
    equal     whether it generates our text, letter by letter, for every prompt
    apart     the largest difference between its logits and ours
    also      what else was tried, each with "yes" or with what was said
"""

import contextlib
import json
import sys
from importlib.metadata import version


class Questions:
    """The prompts, and what we make of them.

    For each: its `text` and `ids`; `whole_text` and `whole_ids`, which we
    generate greedily up to the last position; `logits`, at all of these.
    """

    def __init__(self, path):
        with open(path) as file:
            questions = json.load(file)
        self.block_size = questions["block_size"]
        self.vocab_size = questions["vocab_size"]
        self.prompts = questions["prompts"]

    def apart(self, find_logits):
        """The largest difference, where `find_logits` turns ids to logits."""
        largest = 0.0
        for prompt in self.prompts:
            theirs = find_logits(prompt["whole_ids"])
            assert len(theirs) == len(prompt["logits"])
            for ours, row in zip(prompt["logits"], theirs):
                # A row beyond our characters is a token for padding
                assert len(ours) == self.vocab_size <= len(row)
                pairs = zip(ours, row)
                differences = [abs(a - float(b)) for a, b in pairs]
                assert not any(d != d for d in differences)
                largest = max(largest, *differences)
        return largest

    def differing(self, generate, question="text", answer="whole_text"):
        """The first prompt that `generate` continues otherwise than we do."""
        for prompt in self.prompts:
            text = generate(prompt[question])
            if text != prompt[answer]:
                wanted = prompt[answer]
                return f"{text!r} instead of {wanted!r}"
        return None


def attempt(act):
    """"yes", or what `act` returned or raised instead."""
    try:
        return act() or "yes"
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[0]}"


def answer(client, packages, differing, apart, also=None):
    versions = {name: version(name) for name in packages}
    also = dict(also or {})
    if differing:
        also = {"greedy": differing} | also
    line = {"client": client, "versions": versions, "equal": not differing}
    line |= {"apart": apart, "also": also}
    print(json.dumps(line))


@contextlib.contextmanager
def silence():
    """Lets libraries that talk on the standard output talk elsewhere."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
