"""What tokens must be like, and which are not."""
