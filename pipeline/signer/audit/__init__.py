"""The audit as a log whose head is signed: nothing in it is changed, removed or inserted unseen."""
