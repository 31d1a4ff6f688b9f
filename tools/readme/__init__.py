"""`make readme`: run what the README tells a newcomer to type, in a fresh clone.

Every ```sh block of README.md has an HTML comment before it, which nobody sees who reads the page:

``<!-- readme: terminal=1 -->``
    Run the block in terminal 1 and wait for its end. A terminal is one bash with
    ``set -eu -o pipefail``, which keeps its folder and its variables from block to block. All begin in
    the same empty folder.
``<!-- readme: terminal=2 expect="OK" seconds=30 -->``
    The block has to print OK, and to be done within 30 seconds (otherwise ``SECONDS``). ``expect``
    may be there several times.
``<!-- readme: terminal=1 background until="at work" -->``
    The block does not end by itself: go on when it has printed this (each of several ``until``),
    and leave it running.
``<!-- readme: stop terminal=1 expect="stopped" -->``
    Press Ctrl-C in terminal 1, where something runs in the background, and wait for its end. Stands
    alone, without a block. What is never stopped is stopped at the end.
``<!-- readme: skip="the reason" -->``
    Do not run the block.

A ```sh block without a comment, or a comment without a block, is an error. Blocks in other languages
(```text, ```json) are shown only. In ``git clone ADDRESS`` the address is replaced by that of this
checkout, of which the last commit counts (``--work-tree``: all files that git does not ignore).

HOME is an empty folder, TMPDIR another one; of the caller's environment only PATH, LANG, TERM and
the variables of pip are kept, since where packages come from is the machine's matter. It is wrong
when a step fails, when a program does not end on Ctrl-C, and when any process is left at the end.
"""
