"""The platform's API: HTTP client, its errors, and the way from JSON to the model."""
