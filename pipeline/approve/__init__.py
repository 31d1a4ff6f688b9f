"""`httpca approve`: what waits, what an approver is shown, and how their word is carried."""
