"""The migrations of the signer side's database; `httpca migrate` applies them."""
