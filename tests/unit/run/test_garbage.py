"""What was loaded is not looked through for garbage, and circles still go."""

import subprocess
import sys

CODE = """
import gc, weakref
from pipeline.run import garbage

class Node:
    pass

garbage.settle()
assert gc.get_freeze_count() > 1000
node = Node()
node.itself = node
seen = weakref.ref(node)
del node
kept = [[number] for number in range(2 * garbage.YOUNG)]
assert seen() is None
"""


def test_what_was_loaded_is_left_out_and_what_refers_to_itself_still_goes() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
