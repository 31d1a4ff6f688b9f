"""`httpca approve`: what waits for an approver, what they are shown, and how their word is carried."""
