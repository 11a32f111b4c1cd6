"""Tasks, a module a group; the words are in `forge/wording/<group>.v1.toml`."""
