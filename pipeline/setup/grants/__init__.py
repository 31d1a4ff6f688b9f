"""Accounts with the least rights that do: made by `httpca setup`, applied by `httpca grants apply`."""
