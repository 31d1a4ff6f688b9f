"""The migrations of the web side's database; `httpca migrate` applies them."""
