"""The subcommands of `httpca`: each module imports one side only, and only when it is called."""
