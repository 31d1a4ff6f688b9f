"""The processes: each module runs one, and imports one side when it is called."""
