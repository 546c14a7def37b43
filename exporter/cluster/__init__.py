"""Several exporters for one enterprise: shards divide the users, replicas take over from each other."""
