"""What the exporter needs of a platform."""
