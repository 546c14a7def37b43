"""Several exporters for one enterprise: shards that divide the users, and replicas that stand in for each other."""
