"""From files and environment to checked, frozen settings: schema, YAML with lines, secrets, user lists."""
